"""Pickles that want to run something. All of them are refused, and none of them runs.

Most are first given to Python's own unpickler, which does run them: so the refusals are of real attacks.
"""

import contextlib
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from deployments.text_classification.conversion import ConversionRefused, convert
from tests.deployments.text_classification.conversion import original
from tests.deployments.text_classification.conversion.original import dumped, name, text

HEARD: list[str] = []
LISTENING = False


def _hear(event: str, _: tuple[Any, ...]) -> None:
    if LISTENING and event in ("pickle.find_class", "os.system", "subprocess.Popen", "os.posix_spawn"):
        HEARD.append(event)


sys.addaudithook(_hear)


@pytest.fixture(scope="module", autouse=True)
def _everything_of_ours_is_imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("first")
    contents = original.members(original.save(original.build(), folder / "saved"))
    path = original.pack(folder / "model", contents)
    convert(path, folder / "out", str(original.write_tokenizer(folder / "tokenizer")))


@contextlib.contextmanager
def nothing_runs() -> Iterator[None]:
    global LISTENING
    before = set(sys.modules)
    HEARD.clear()
    LISTENING = True
    try:
        yield
    finally:
        LISTENING = False
    assert HEARD == []
    assert set(sys.modules) == before


def refused(path: Path) -> ConversionRefused:
    with nothing_runs():
        return original.refusal(path)


class Calls:
    """An object whose pickle calls a function."""

    def __init__(self, function: Callable[..., object], *args: object) -> None:
        self._made_of = (function, args)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._made_of


def touch(marker: str) -> bytes:
    return text(f"touch {marker}")


# Each makes a pickle that creates the file of the given name, and names the globals that the refusal lists.
ATTACKS: dict[str, tuple[Callable[[str], bytes], list[str]]] = {
    "reduce": (lambda m: dumped(Calls(os.system, f"touch {m}"), 2), ["posix.system"]),
    "stack global": (lambda m: dumped(Calls(os.system, f"touch {m}"), 4), ["posix.system"]),
    "newest protocol": (lambda m: dumped([Calls(os.system, f"touch {m}")], 5), ["posix.system"]),
    "exec": (lambda m: dumped(Calls(exec, f"import pathlib; pathlib.Path({m!r}).touch()")), ["builtins.exec"]),
    "eval": (lambda m: dumped(Calls(eval, f"__import__('pathlib').Path({m!r}).touch()")), ["builtins.eval"]),
    "copy": (lambda m: dumped(Calls(shutil.copyfile, __file__, m)), ["shutil.copyfile"]),
    "subprocess": (lambda m: dumped(Calls(subprocess.call, ["touch", m])), ["subprocess.call"]),
    "inst": (lambda m: b"(" + touch(m) + b"iposix\nsystem\n.", ["posix.system"]),
    "obj": (lambda m: b"(" + name("posix", "system") + touch(m) + b"o.", ["posix.system"]),
    # A tuple made of a map calls its function.
    "newobj": (
        lambda m: b"".join([
            b"\x80\x02", name("builtins", "tuple"), name("builtins", "map"), name("posix", "system"),
            b"]", touch(m), b"a\x86\x81\x85\x81.",
        ]),
        ["builtins.tuple", "builtins.map", "posix.system"],
    ),
    "newobj_ex": (
        lambda m: b"".join([
            b"\x80\x04", name("builtins", "tuple"), name("builtins", "map"), name("posix", "system"),
            b"]", touch(m), b"a\x86}\x92\x85}\x92.",
        ]),
        ["builtins.tuple", "builtins.map", "posix.system"],
    ),
    "chain of getattr": (
        lambda m: b"".join([
            b"\x80\x02", name("builtins", "getattr"), name("importlib", "import_module"), text("os"),
            b"\x85R", text("system"), b"\x86R", touch(m), b"\x85R.",
        ]),
        ["builtins.getattr", "importlib.import_module"],
    ),
    "getattr of an imported module": (
        lambda m: b"".join([
            b"\x80\x02", name("builtins", "getattr"), name("shutil", "os"), text("system"), b"\x86R",
            touch(m), b"\x85R.",
        ]),
        ["builtins.getattr", "shutil.os"],
    ),
    "attrgetter": (
        lambda m: b"".join([
            b"\x80\x02", name("operator", "attrgetter"), text("system"), b"\x85R",
            name("importlib", "import_module"), text("os"), b"\x85R\x85R", touch(m), b"\x85R.",
        ]),
        ["operator.attrgetter", "importlib.import_module"],
    ),
    "partial": (
        lambda m: b"".join([
            b"\x80\x02", name("functools", "partial"), name("posix", "system"), touch(m), b"\x86R)R.",
        ]),
        ["functools.partial", "posix.system"],
    ),
    "dotted name": (
        lambda m: b"\x80\x04" + text("pathlib") + text("Path.touch") + b"\x93" + name("pathlib", "Path") + text(m)
        + b"\x85R\x85R.",
        ["pathlib.Path.touch", "pathlib.Path"],
    ),
    "helper of torch": (
        lambda m: b"".join([
            b"\x80\x02", name("torch._tensor", "_rebuild_from_type_v2"), b"(", name("posix", "system"),
            name("torch", "Tensor"), touch(m), b"\x85}tR.",
        ]),
        ["torch._tensor._rebuild_from_type_v2", "posix.system", "torch.Tensor"],
    ),
    "setstate": (
        lambda m: b"".join([
            b"\x80\x02", name("functools", "partial"), name("builtins", "print"), b"\x85\x81",
            b"(", name("posix", "system"), touch(m), b"\x85}Ntb)R.",
        ]),
        ["functools.partial", "builtins.print", "posix.system"],
    ),
    "thrown away": (lambda m: name("posix", "system") + touch(m) + b"\x85R0N.", ["posix.system"]),
    "codec": (
        lambda m: b"".join([
            name("builtins", "exec"), name("codecs", "decode"), text(f"bcra({m!r}, 'j')".replace(m, "")),
            text("rot13"), b"\x86R", b"\x85R.",
        ]),
        ["builtins.exec", "codecs.decode"],
    ),
}  # fmt: skip
HARMLESS_TO_PYTHON = {"codec"}  # shows how a name is hidden, without doing anything


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_runs(tmp_path: Path, attack: str) -> None:
    make, names = ATTACKS[attack]
    marker = tmp_path / "marker"
    if attack not in HARMLESS_TO_PYTHON:
        with contextlib.suppress(Exception):
            pickle.loads(make(str(marker)))
        assert marker.exists()
        marker.unlink()
    error = refused(original.pickled(tmp_path / "model", make(str(marker))))
    assert not marker.exists()
    assert list(error.names) == names
    for listed in names:
        assert listed in error.message
    assert "none of it was run" in error.message


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_runs_before_a_good_module(tmp_path: Path, attack: str) -> None:
    """The same attacks, their results thrown away, in front of what would be converted."""
    make, names = ATTACKS[attack]
    marker = tmp_path / "marker"
    contents = original.members(original.save(original.build(), tmp_path / "good"))
    before = make(str(marker)).removeprefix(b"\x80\x02").removeprefix(b"\x80\x04").removeprefix(b"\x80\x05")
    contents["data.pkl"] = before.removesuffix(b".") + b"0" + contents["data.pkl"]
    error = refused(original.pack(tmp_path / "model", contents))
    assert not marker.exists()
    assert set(names) <= set(error.names)


def test_nothing_runs_inside_a_good_module(tmp_path: Path) -> None:
    module: Any = original.build()
    module.model.extra = Calls(os.system, f"touch {tmp_path / 'marker'}")
    path = original.save(module, tmp_path / "model")
    with original.importable():
        torch.load(path, weights_only=False)
    assert (tmp_path / "marker").exists()
    (tmp_path / "marker").unlink()
    error = refused(path)
    assert error.message.startswith("The file wants to call posix.system, which no tensor needs. The file names ")
    assert "posix.system" in error.names
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("module", "function"),
    [
        ("torch", "load"),
        ("torch.hub", "load"),
        ("torch.jit", "load"),
        ("torch.serialization", "load"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("torch.storage", "_load_from_bytes"),
        ("torch._utils", "_rebuild_device_tensor_from_numpy"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("copyreg", "_reconstructor"),
        ("copy_reg", "add_extension"),
        ("_codecs", "encode"),
        ("encodings", "search_function"),
        ("runpy", "run_path"),
        ("pickle", "loads"),
        ("webbrowser", "open"),
        ("builtins", "__import__"),
        ("builtins.set", ""),
        ("", "builtins.set"),
    ],
)
def test_no_other_function_is_called(tmp_path: Path, module: str, function: str) -> None:
    payload = b"\x80\x02" + name(module, function) + text("x") + b"\x85R."
    error = refused(original.pickled(tmp_path / "model", payload))
    assert "wants to call" in error.message
    assert error.names == (f"{module}.{function}",)
