"""Weights between runs: our own checkpoints, and an exported CTranslate2 model taken back."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn

from .network import DECODER_LAYERS, ENCODER_LAYERS, WIDTH
from .tokens import Tokens

_DTYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)
#: Hugging Face's names of the projections that CTranslate2 stacks into one matrix.
_SELF = ("q_proj", "k_proj", "v_proj")


def save_checkpoint(path: Path, network: Any, ctc: nn.Linear) -> None:
    """Write atomically, so that an interrupted run leaves the last whole checkpoint."""
    partial = path.with_suffix(".part")
    torch.save({"network": network.state_dict(), "ctc": ctc.state_dict()}, partial)
    partial.replace(path)


def load_checkpoint(path: Path, network: Any, ctc: nn.Linear) -> None:
    """Fill both modules."""
    stored = torch.load(path, weights_only=True)
    network.load_state_dict(stored["network"])
    ctc.load_state_dict(stored["ctc"])


@dataclass(slots=True)
class _Reader:
    """Little-endian fields of a model.bin."""

    data: bytes
    at: int = 0

    def number(self, code: str) -> int:
        (value,) = struct.unpack_from(f"<{code}", self.data, self.at)
        self.at += struct.calcsize(code)
        return int(value)

    def name(self) -> str:
        length = self.number("H")
        raw = self.data[self.at : self.at + length - 1]
        self.at += length
        return raw.decode()


def read_model_bin(path: Path) -> dict[str, NDArray[Any]]:
    """Variables of a CTranslate2 model (binary version 6), int8 weights multiplied out."""
    reader = _Reader(path.read_bytes())
    version, spec, _ = reader.number("I"), reader.name(), reader.number("I")
    if version != 6 or spec != "WhisperSpec":
        raise ValueError(f"{path} is a {spec} of binary version {version}, not a WhisperSpec of version 6")
    variables: dict[str, NDArray[Any]] = {}
    for _ in range(reader.number("I")):
        name = reader.name()
        shape = [reader.number("I") for _ in range(reader.number("B"))]
        dtype, size = _DTYPES[reader.number("B")], reader.number("I")
        raw = reader.data[reader.at : reader.at + size]
        variables[name] = np.frombuffer(raw, dtype).reshape(shape)
        reader.at += size
    for name in [name for name in variables if name.endswith("_scale")]:
        scale, weight = variables.pop(name), variables[name.removesuffix("_scale")]
        variables[name.removesuffix("_scale")] = weight / scale.reshape(-1, *[1] * (weight.ndim - 1))
    return variables


def load_exported(folder: Path, network: Any, tokens: Tokens) -> None:
    """Fill the network from an exported model; token embeddings go by token, so the vocabulary may have grown."""
    variables = read_model_bin(folder / "model.bin")
    state: dict[str, torch.Tensor] = network.state_dict()

    def put(target: str, value: NDArray[Any]) -> None:
        if state[target].shape != value.shape:
            raise ValueError(f"{target}: {value.shape} in {folder}, {tuple(state[target].shape)} wanted")
        state[target].copy_(torch.from_numpy(np.array(value, np.float32)))

    def put_linear(target: str, source: str) -> None:
        put(f"{target}.weight", variables[f"{source}/weight"])
        put(f"{target}.bias", variables[f"{source}/bias"])

    def put_norm(target: str, source: str) -> None:
        put(f"{target}.weight", variables[f"{source}/gamma"])
        put(f"{target}.bias", variables[f"{source}/beta"])

    def put_stacked(target: str, source: str, projections: tuple[str, ...]) -> None:
        for number, projection in enumerate(projections):
            rows = slice(number * WIDTH, (number + 1) * WIDTH)
            put(f"{target}.{projection}.weight", variables[f"{source}/weight"][rows])
            if projection != "k_proj":
                put(f"{target}.{projection}.bias", variables[f"{source}/bias"][rows])

    def put_layer(side: str, number: int) -> None:
        ours, theirs = f"model.{side}.layers.{number}", f"{side}/layer_{number}"
        put_norm(f"{ours}.self_attn_layer_norm", f"{theirs}/self_attention/layer_norm")
        put_stacked(f"{ours}.self_attn", f"{theirs}/self_attention/linear_0", _SELF)
        put_linear(f"{ours}.self_attn.out_proj", f"{theirs}/self_attention/linear_1")
        put_norm(f"{ours}.final_layer_norm", f"{theirs}/ffn/layer_norm")
        put_linear(f"{ours}.fc1", f"{theirs}/ffn/linear_0")
        put_linear(f"{ours}.fc2", f"{theirs}/ffn/linear_1")
        if side == "decoder":
            put_norm(f"{ours}.encoder_attn_layer_norm", f"{theirs}/attention/layer_norm")
            put_stacked(f"{ours}.encoder_attn", f"{theirs}/attention/linear_0", _SELF[:1])
            put_stacked(f"{ours}.encoder_attn", f"{theirs}/attention/linear_1", _SELF[1:])
            put_linear(f"{ours}.encoder_attn.out_proj", f"{theirs}/attention/linear_2")

    for side, layers in (("encoder", ENCODER_LAYERS), ("decoder", DECODER_LAYERS)):
        put_norm(f"model.{side}.layer_norm", f"{side}/layer_norm")
        put(f"model.{side}.embed_positions.weight", variables[f"{side}/position_encodings/encodings"])
        for number in range(layers):
            put_layer(side, number)
    for convolution in ("conv1", "conv2"):
        put_linear(f"model.encoder.{convolution}", f"encoder/{convolution}")
    known = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    embeddings = torch.from_numpy(np.array(variables["decoder/embeddings/weight"], np.float32))
    ours = state["model.decoder.embed_tokens.weight"]
    for token, row in tokens.ids.items():
        if token in known:
            ours[row] = embeddings[known[token]]
    network.load_state_dict(state)
