"""Loads a model folder of fish-speech; its files show which version it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from deployments.errors import ModelUnavailable
from deployments.fish_speech.codec.codec import Codec
from deployments.fish_speech.language_model.dual_ar import DualAR
from deployments.fish_speech.language_model.frame_rules import FrameRules
from deployments.fish_speech.prompts import Prompts
from deployments.fish_speech.text.signs import Cleaner, clean_v11, clean_v15
from deployments.fish_speech.v11 import checkpoint as v11
from deployments.fish_speech.v11 import tokenizer as v11_tokenizer
from deployments.fish_speech.v11.prompt import PromptsV11
from deployments.fish_speech.v11.vits import load_vits
from deployments.fish_speech.v11.vqgan import load_vqgan
from deployments.fish_speech.v15 import checkpoint as v15
from deployments.fish_speech.v15.firefly import load_firefly
from deployments.fish_speech.v15.prompt import PromptsV15
from deployments.fish_speech.v15.tokenizer import RANKS, Tokenizer

Columns = NDArray[np.int32]
Decoder = Literal["auto", "vits", "vqgan"]

FIREFLY = "firefly*.pth"
OLD_MODEL, VQGAN, VITS, VOCODER = "text2semantic*.pth", "vq-gan*.pth", "vits*.ckpt", "firefly*.ckpt"


@dataclass(frozen=True, slots=True, eq=False)
class SpeechModel:
    """A loaded model of either version. ``clean`` makes a text what the model reads."""

    version: Literal["1.5", "1.1"]
    network: DualAR
    rules: FrameRules
    prompts: Prompts
    codec: Codec
    clean: Cleaner

    def heard(self, columns: Columns, *, first: bool, ended: bool, last: bool, strict: bool) -> NDArray[np.int32]:
        """Codes (codebooks, frames) to be made sound of, of a part of a segment's frames; see ``FrameRules``."""
        frames = self.rules.returned_frames(
            torch.from_numpy(columns), ended=ended, first=first, last=last, strict=strict
        )
        codes: NDArray[np.int32] = self.rules.codes(frames).numpy()
        return codes


def load_model(
    folder: Path, *, decoder: Decoder, device: torch.device, dtype: torch.dtype, speech_tokens_only: bool
) -> SpeechModel:
    """The model in a folder. Raises ModelUnavailable if it is none, or one of its files is damaged."""
    if (folder / RANKS).is_file():
        codec: Codec = load_firefly(_one(folder, FIREFLY), device)
        return _matching(load_v15(folder, codec, device, dtype, speech_tokens_only))
    if list(folder.glob(OLD_MODEL)):
        if decoder == "vits" or (decoder == "auto" and list(folder.glob(VITS))):
            codec = load_vits(_one(folder, VITS), device)
        else:
            codec = load_vqgan(_one(folder, VQGAN), _one(folder, VOCODER), device)
        return _matching(load_v11(folder, codec, device, dtype, speech_tokens_only))
    raise ModelUnavailable(
        f"The folder is no model of fish-speech: it has neither {RANKS} (1.5) nor {OLD_MODEL} (1.1)."
    )


def load_v15(
    folder: Path, codec: Codec, device: torch.device, dtype: torch.dtype, speech_tokens_only: bool
) -> SpeechModel:
    """A folder's language model of 1.5, with a codec. Raises ModelUnavailable."""
    tokenizer = Tokenizer(folder)
    network = v15.load_network(folder, tokenizer, dtype=dtype, device=device)
    rules = v15.frame_rules(network.config, tokenizer, speech_only=speech_tokens_only)
    prompts = PromptsV15(tokenizer, rules.num_codebooks, rules.codebook_size)
    return SpeechModel("1.5", network, rules, prompts, codec, clean_v15)


def load_v11(
    folder: Path,
    codec: Codec,
    device: torch.device,
    dtype: torch.dtype,
    speech_tokens_only: bool,
    name: str | None = None,
) -> SpeechModel:
    """The same of 1.1; ``name`` is the original's name of its size, if the weights do not tell it."""
    tokenizer = v11_tokenizer.load_tokenizer(folder)
    network = v11.load_network(folder, name=name, dtype=dtype, device=device)
    rules = v11.frame_rules(network.config, tokenizer, speech_only=speech_tokens_only)
    prompts = PromptsV11(tokenizer, rules.num_codebooks, rules.codebook_size)
    return SpeechModel("1.1", network, rules, prompts, codec, clean_v11)


def _matching(model: SpeechModel) -> SpeechModel:
    if model.codec.codebooks != model.rules.num_codebooks:
        raise ModelUnavailable(
            f"The codec has {model.codec.codebooks} codebooks and the language model {model.rules.num_codebooks}; "
            "they do not belong together."
        )
    return model


def _one(folder: Path, pattern: str) -> Path:
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise ModelUnavailable(
            f"The model needs one file {pattern}, and has {', '.join(path.name for path in files) or 'none'}."
        )
    return files[0]
