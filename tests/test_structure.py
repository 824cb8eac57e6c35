"""Folders and modules stay small enough to be read, and say what belongs into them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import ROOT

PACKAGES = ("media", "deployments", "serve_app")
MOST_MODULES = 20  # of a folder, without __init__.py
MOST_LINES = 260
GENERATED = ("_pb2.py", "_pb2_grpc.py")


def modules(*folders: str) -> Iterator[Path]:
    """Every module that somebody wrote."""
    for folder in folders:
        yield from (path for path in (ROOT / folder).rglob("*.py") if not path.name.endswith(GENERATED))


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("folder", sorted({path.parent for path in modules(*PACKAGES, "tests")}), ids=relative)
def test_a_folder_has_few_modules(folder: Path) -> None:
    names = [path.name for path in modules(relative(folder)) if path.parent == folder]
    assert len(set(names) - {"__init__.py"}) <= MOST_MODULES


def test_modules_are_short() -> None:
    lengths = {relative(path): len(path.read_text().splitlines()) for path in modules(*PACKAGES)}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


@pytest.mark.parametrize("folder", sorted({path.parent for path in modules(*PACKAGES)}), ids=relative)
def test_a_package_says_in_a_sentence_what_belongs_there(folder: Path) -> None:
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()), clean=False)
    assert docstring is not None
    assert "\n" not in docstring
    assert docstring.endswith(".")
    assert ". " not in docstring
