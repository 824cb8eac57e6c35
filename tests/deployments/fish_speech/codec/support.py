"""Goldens of the codecs, and small codecs with random weights, made in the test."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from deployments.fish_speech.v11.vits import VITSCodec, VITSNetwork, load_vits
from deployments.fish_speech.v11.vits_size import SynthesizerSize, VITSSize
from deployments.fish_speech.v11.vqgan import VQGANSize

GOLDENS = Path(__file__).parent / "goldens"
FIREFLY = GOLDENS / "firefly_v15"
VQGAN = GOLDENS / "vqgan_v11"
VITS = GOLDENS / "vits_v11"


@cache
def golden(folder: Path) -> dict[str, Tensor]:
    """The arrays of a folder."""
    with np.load(folder / "golden.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def difference(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference; shapes have to be equal."""
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max())


def write_vits(folder: Path) -> Path:
    """A whole VITS checkpoint as training leaves it: the encoder of the VQGAN golden, a random synthesizer."""
    vqgan = VQGANSize.model_validate_json((VQGAN / "vqgan.json").read_bytes())
    small = SynthesizerSize.model_validate_json((VITS / "synthesizer.json").read_bytes())
    size = VITSSize(
        encode_mel=vqgan.encode_mel,
        encoder=vqgan.encoder,
        quantizer=vqgan.quantizer,
        synthesizer=small.model_copy(update={"ssl_dim": vqgan.quantizer.input_dim, "spec_channels": 1_025}),
    )
    (folder / "vits.json").write_text(size.model_dump_json())
    torch.manual_seed(7)
    synthesizer = VITSNetwork(size.synthesizer)
    with torch.no_grad():
        for name, parameter in synthesizer.named_parameters():
            if name.startswith("dec.resblocks"):
                parameter *= 3  # as heard, a random generator is nearly silent
    tensors = {f"generator.{name}": tensor for name, tensor in synthesizer.state_dict().items()}
    for name, tensor in torch.load(VQGAN / "model.pth", weights_only=True).items():
        tensors[f"generator.vq.{name}"] = tensor
    tensors["discriminator.convs.0.weight"] = torch.zeros(3)
    path = folder / "vits_decoder_v1.1.ckpt"
    torch.save({"state_dict": tensors, "global_step": 12}, path)
    return path


def small_vits(folder: Path) -> VITSCodec:
    """The codec of ``write_vits``."""
    return load_vits(write_vits(folder), "cpu")
