"""A small copy of the original hate-speech module, saved as its author saved it, and files made out of it."""

import contextlib
import io
import json
import pickle
import sys
import types
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers.pre_tokenizers import ByteLevel
from torch import nn
from torch.nn import functional
from transformers import RobertaConfig, RobertaModel

from deployments.text_classification.conversion import ConversionRefused, convert

MODULE = "antiphon_test_original"  # where the class lives while it is saved, and never again
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "Ġw o"]
SIZES = {
    "vocab_size": 300,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 24,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}


class CustomModel(nn.Module):
    """The service's module with a narrower head."""

    __module__ = MODULE

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__()
        self.model = RobertaModel(config)
        self.dropout = nn.Dropout(0.3)
        self.linear1 = nn.Linear(config.hidden_size, 16)
        self.linear2 = nn.Linear(16, 4)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        first = self.model(input_ids, attention_mask=attention_mask).last_hidden_state[:, 0]
        hidden = self.dropout(functional.relu(self.linear1(first)))
        return functional.log_softmax(self.linear2(hidden), dim=1)


def build(**changes: Any) -> nn.Module:
    """The module with random weights; ``changes`` are of the encoder's sizes."""
    original = CustomModel(RobertaConfig(**{**SIZES, **changes}))
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in original.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.1)
    return original


@contextlib.contextmanager
def importable() -> Iterator[None]:
    """While the class can be imported, as for its author."""
    sys.modules[MODULE] = types.ModuleType(MODULE)
    sys.modules[MODULE].__dict__["CustomModel"] = CustomModel
    try:
        yield
    finally:
        del sys.modules[MODULE]


def save(original: nn.Module, path: Path, **options: Any) -> Path:
    """``torch.save`` of the whole module, whose class cannot be imported afterwards."""
    with importable():
        torch.save(original, path, **options)
    return path


def members(path: Path) -> dict[str, bytes]:
    """The members of a saved file by their names below its folder."""
    with zipfile.ZipFile(path) as file:
        return {name.partition("/")[2]: file.read(name) for name in file.namelist()}


def pack(path: Path, contents: Mapping[str, bytes], folder: str = "archive", compression: int = 0) -> Path:
    """A container with these members."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in contents.items():
            file.writestr(f"{folder}/{name}", content)
    return path


def pickled(path: Path, pickle_bytes: bytes, **others: bytes) -> Path:
    """A container with this pickle."""
    return pack(path, {"data.pkl": pickle_bytes, "version": b"3\n", **others})


def write_tokenizer(folder: Path, vocabulary: int = SIZES["vocab_size"]) -> Path:
    """``vocab.json`` and ``merges.txt`` of a RoBERTa tokenizer with this many tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = [*SPECIAL, *sorted(ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in MERGES)]
    tokens += [f"filler{number}" for number in range(vocabulary - len(tokens) - 1)] + ["<mask>"]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES]) + "\n")
    return folder


def refusal(path: Path) -> ConversionRefused:
    """The error with which a file is not converted, of which nothing is left."""
    tokenizer, out = path.parent / "tokenizer", path.parent / "out"
    with pytest.raises(ConversionRefused) as refused:
        convert(path, out, str(write_tokenizer(tokenizer)))
    assert not out.exists()
    return refused.value


def text(value: str) -> bytes:
    """The opcode that pushes a text."""
    encoded = value.encode()
    return b"X" + len(encoded).to_bytes(4, "little") + encoded


def name(module: str, attribute: str) -> bytes:
    """The opcode that pushes a global."""
    return f"c{module}\n{attribute}\n".encode()


def dumped(value: object, protocol: int = 3) -> bytes:
    """A pickle by Python's own pickler."""
    buffer = io.BytesIO()
    pickle.Pickler(buffer, protocol).dump(value)
    return buffer.getvalue()
