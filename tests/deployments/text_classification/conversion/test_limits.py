"""Files that ask for more memory or time than they are worth, and tensors that reach beyond their storage."""

import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.deployments.text_classification.conversion import original
from tests.deployments.text_classification.conversion.original import name, text

MEGABYTE = 1 << 20


def number(value: int) -> bytes:
    """The opcode that pushes an integer."""
    size = value.bit_length() // 8 + 1
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def identity(
    kind: bytes = text("storage"),
    of: bytes = name("torch", "FloatStorage"),
    key: str = "0",
    location: bytes = text("cpu"),
    numel: int = 4,
    more: bytes = b"",
) -> bytes:
    """Opcodes of a storage's persistent id."""
    return b"(" + kind + of + text(key) + location + number(numel) + more + b"t"


def module(parts: bytes, hooks: bytes = b"}") -> bytes:
    """Opcodes of a module whose table of parts is made by ``parts``."""
    tables = b"".join(text(table) + b"}" for table in ("_parameters", "_buffers"))
    return name("x", "M") + b")\x81}(" + tables + text("_modules") + parts + text("_forward_hooks") + hooks + b"ub"


def nested_modules(depth: int) -> bytes:
    """Modules of which each holds the next one twice: 2 to the power of ``depth`` paths."""
    opcodes = module(b"}") + b"q\x00"
    for _ in range(depth):
        opcodes += b"0" + module(b"}(" + text("a") + b"h\x00" + text("b") + b"h\x00" + b"u") + b"q\x00"
    return opcodes + b"."


def colliding_keys(count: int) -> bytes:
    modulus = sys.hash_info.modulus
    return b"}(" + b"".join(number(modulus * factor) + b"N" for factor in range(1, count)) + b"u."


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "memo index": (lambda: b"Nr\xff\xff\xff\x7f.", "neither a module nor a state dict"),
    "long text": (lambda: b"X\xff\xff\xff\xff.", "no valid pickle"),
    "long bytes": (lambda: b"\x8e" + (1 << 62).to_bytes(8, "little") + b".", "no valid pickle"),
    "long bytearray": (lambda: b"\x96" + (1 << 62).to_bytes(8, "little") + b".", "no valid pickle"),
    "long frame": (lambda: b"\x95" + (1 << 62).to_bytes(8, "little") + b"N.", "neither a module"),
    "long integer": (lambda: b"\x8b\xff\xff\xff\x7f1.", "no valid pickle"),
    "integer in digits": (lambda: b"I" + b"9" * 100_000 + b"\n.", "no valid pickle"),
    "steps": (lambda: b"N0" * 300_000 + b"N.", "more than 500000 opcodes"),
    "long pickle": (lambda: text("x" * (4 * MEGABYTE)) + b".", "bytes; at most 4194304 are read"),
    "deep tuple": (lambda: b"N" + b"\x85" * 150_000 + b".", "neither a module"),
    "deep list": (lambda: b"]" * 200_000 + b"a" * 199_999 + b".", "neither a module"),
    "deep objects": (lambda: b"N" + b"q\x000cx\nM\nh\x00\x85\x81" * 50_000 + b".", "wants to call x.M"),
    "deep key": (lambda: b"}N" + b"\x85" * 150_000 + b"Ns.", "neither texts nor small integers"),
    "colliding keys": (lambda: colliding_keys(100_000), "neither texts nor small integers"),
    "long names": (lambda: name("x" * 1000, "y") + b".", "a name of more than 500 characters"),
    "long key of a storage": (
        lambda: identity(key="1" * 1000) + b"Q.",
        "not that of a storage",
    ),
    "sets of one list": (
        lambda: (
            name("builtins", "set") + b"q\x000]("
            + b"N" * 100_000 + b"e\x85q\x010" + b"h\x00h\x01R0" * 90_000 + b"N."
        ),
        "neither a module",
    ),
    "shapes of one tuple": (
        lambda: (
            name("torch._utils", "_rebuild_tensor_v2") + b"q\x000("
            + b"K\x01" * 200_000 + b"tq\x01"
            + b"0(" + identity(numel=1) + b"Q"
            + b"K\x00h\x01h\x01\x89}tq\x020h\x00h\x02R."
        ),
        "with which torch does not call it",
    ),
    "paths": (lambda: nested_modules(30), "more than 2000 modules"),
    "module in itself": (
        lambda: module(b"}q\x00")[:-1] + b"bq\x01h\x00" + text("again") + b"h\x01s0.",
        "more than 32 within each other",
    ),
    "names of tensors": (lambda: nested_modules(9), "has no part model"),
    "hooks": (lambda: module(b"}", b"}(K\x00" + name("x", "hook") + b"u") + b".", "has forward hooks"),
    "parts that are none": (lambda: module(b"}(" + text("a") + b"Nu") + b".", "has no part model"),
    "a part that is no module": (lambda: module(b"}(" + text("a") + b"K\x01u") + b".", "is no module"),
    "a dotted part": (lambda: module(b"}(" + text("a.b") + b"Nu") + b".", "cannot have a part named a.b"),
    "a list of parts": (lambda: module(b"]") + b".", "_modules of a x.M is missing or too long"),
    "other things": (lambda: b"}(" + text("a") + b"K\x01u.", "The part a is no tensor"),
    "many tensors": (
        lambda: b"}(" + b"".join(text(f"t{i}") + b"N" for i in range(2001)) + b"u.", "The part t0 is no tensor",
    ),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_cost_little(tmp_path: Path, bomb: str) -> None:
    make, problem = BOMBS[bomb]
    path = original.pickled(tmp_path / "model", make())
    size = path.stat().st_size
    tracemalloc.start()
    started = time.process_time()
    try:
        assert problem in original.refusal(path).message
        assert time.process_time() - started < 30
        assert tracemalloc.get_traced_memory()[1] < 100 * MEGABYTE + 10 * size
    finally:
        tracemalloc.stop()


def tensor(numel: int, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], rest: bytes = b"") -> bytes:
    """A state dict with one tensor in the storage 0 of float32."""
    numbers = b"".join(b"(" + b"".join(map(number, part)) + b"t" for part in (shape, stride))
    storage = (
        b"(" + text("storage") + name("torch", "FloatStorage") + text("0") + text("cpu") + number(numel) + b"tQ"
    )
    call = name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage + number(offset) + numbers + b"\x89}" + rest
    return b"\x80\x02}(" + text("t") + call + b"tRu."


@pytest.mark.parametrize(
    "opcodes",
    [
        tensor(4, 0, (5,), (1,)),
        tensor(4, 1, (4,), (1,)),
        tensor(4, -1, (2,), (1,)),
        tensor(4, 0, (2, 2), (3, 1)),
        tensor(4, 0, (2,), (-1,)),
        tensor(4, 0, (-2,), (1,)),
        tensor(4, 0, (2, 2), (1,)),
        tensor(4, 0, (1 << 40, 1 << 40), (0, 0)),
        tensor(4, 0, (5,), (0,)),
        tensor(4, 0, (1 << 2000,), (1,)),
        tensor(4, 0, (1,) * 9, (1,) * 9),
        tensor(4, 5, (0,), (1,)),
        tensor(4, 0, (4,), (1,), b"}" + text("conj") + b"\x88s"),
        tensor(4, 0, (4,), (1,), b"NN"),
    ],
)
def test_views_lie_within_their_storage(tmp_path: Path, opcodes: bytes) -> None:
    path = original.pickled(tmp_path / "model", opcodes, **{"data/0": bytes(16)})
    assert "with which torch does not call it" in original.refusal(path).message


@pytest.mark.parametrize(
    "opcodes",
    [
        identity(kind=text("module")),
        identity(of=text("FloatStorage")),
        identity(key="../0"),
        identity(key="٣"),
        identity(key=""),
        identity(location=b"N"),
        identity(numel=-1),
        identity(numel=1 << 62),
        identity(more=b"N"),
        b"]",
        text("storage"),
    ],
)
def test_only_storages_have_an_identity(tmp_path: Path, opcodes: bytes) -> None:
    path = original.pickled(tmp_path / "model", b"\x80\x02" + opcodes + b"Q.")
    assert "is not that of a storage" in original.refusal(path).message


def test_other_types_of_storages(tmp_path: Path) -> None:
    opcodes = identity(of=name("torch", "ComplexFloatStorage"))
    path = original.pickled(tmp_path / "model", b"\x80\x02" + opcodes + b"Q.")
    assert "a storage of the type torch.ComplexFloatStorage" in original.refusal(path).message


def test_one_storage_for_everything(tmp_path: Path) -> None:
    """Hundreds of tensors that are the same memory would make a folder far larger than the file."""
    module: Any = original.build(num_hidden_layers=60)
    shared = nn.Parameter(torch.zeros(64, 64))
    for layer in module.model.encoder.layer:
        for part in (*layer.attention.self.children(), layer.attention.output.dense):
            if isinstance(part, nn.Linear):
                part.weight = shared
        layer.intermediate.dense.weight = layer.output.dense.weight = nn.Parameter(torch.zeros(0))
        layer.intermediate.dense.weight = nn.Parameter(shared[:48])
        layer.output.dense.weight = nn.Parameter(shared[:, :48])
    path = original.save(module, tmp_path / "model")
    assert "The tensors need" in original.refusal(path).message
