"""``docs/architecture.md`` says where things are, and a new family can be added as it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import DOCS, blocks
from tests.imports import PICTURE, imports, layers, picture
from tests.serving import ROOT

PAGE = DOCS / "architecture.md"
PACKAGES = ("media", "deployments", "serve_app")
FAMILIES = ("whisper", "text_classification", "fish_speech")
UNKNOWN = "the family of a model is whisper, text_classification, fish_speech or echo"
NAME = re.compile(r"`((?:media|deployments|serve_app|tests|configs|samples|benchmarks|docs)/[\w<>./-]*)`")


def tree() -> list[str]:
    """Every folder and file that the tree names."""
    (block,) = (block for block in blocks(PAGE) if block.language == "tree")
    names: list[str] = []
    above: list[str] = []
    for line in block.text.splitlines():
        indent, name = re.match(r"( *)(\S+) +\S", line).groups()  # type: ignore[union-attr]
        assert len(indent) % 2 == 0, line
        above = [*above[: len(indent) // 2], name]
        names.append("".join(above))
    return names


def section(heading: str) -> str:
    """The text below a heading of the second level."""
    (body,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return str(body)


@pytest.mark.parametrize("name", tree())
def test_everything_in_the_tree_exists(name: str) -> None:
    path = ROOT / name
    assert path.is_dir() if name.endswith("/") else path.is_file()


def test_every_package_is_in_the_tree() -> None:
    packages = (file.parent for package in PACKAGES for file in (ROOT / package).rglob("__init__.py"))
    assert {f"{path.relative_to(ROOT)}/" for path in packages} <= set(tree())


def test_every_import_points_down() -> None:
    order = {name: number for number, row in enumerate(layers()) for name in row}
    assert [arrow for arrow in imports() if order[arrow[0]] >= order[arrow[1]]] == []


def test_the_picture_of_the_imports_is_fresh() -> None:
    assert PICTURE.findall(PAGE.read_text()) == [picture()], "run python -m tests.imports"


def named() -> list[str]:
    """Every path in the text of the page; one with ``<family>`` once for each family that there is."""
    names = NAME.findall(PAGE.read_text())
    return sorted({name.replace("<family>", family) for name in names for family in FAMILIES})


@pytest.mark.parametrize("name", named())
def test_every_path_in_the_text_exists(name: str) -> None:
    assert (ROOT / name).exists()


def test_an_example_family_is_added_as_the_page_says(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "example_family", tmp_path / "deployments" / "echo")
    entry, line, case = (block.text for block in blocks(PAGE) if block.language == "py")
    models, families = tmp_path / "serve_app/config/models.py", tmp_path / "serve_app/graph/families.py"
    imported = "from deployments.echo.config import EchoConfig\n"
    insert(models, imported, before="from deployments.")
    insert(models, f"{entry}\n\n", before="def _family(")
    insert(models, line, before=")\n*_OTHERS")
    insert(families, "from serve_app.config.models import EchoEntry\n", before="from serve_app.config.models ")
    insert(families, f"\n{case}", before="\n\ndef classifiers_first(")

    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "words.txt").write_text("hello again")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "deployments.echo.use", "model"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == f"ready hello again\n{UNKNOWN}\n", done.stderr


def insert(file: Path, text: str, *, before: str) -> None:
    """Put a text before the first place of another one."""
    head, place, tail = file.read_text().partition(before)
    assert place
    file.write_text(head + text + place + tail)
