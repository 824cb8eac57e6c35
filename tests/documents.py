"""README.md and the pages of docs/: what is in their fenced blocks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.serving import ROOT

DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = (README, *sorted(DOCS.rglob("*.md")))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a document; ``output`` is the text block right after it."""

    place: str
    language: str
    text: str
    output: str = ""


def blocks(path: Path) -> list[Block]:
    """All blocks of a document, text blocks as the output of the one before them."""
    source = path.read_text()
    result: list[Block] = []
    for match in FENCE.finditer(source):
        place = f"{path.relative_to(ROOT)}:{source.count(chr(10), 0, match.start()) + 1}"
        if match[1] == "text":
            assert result, place
            assert not result[-1].output, place
            last = result.pop()
            result.append(Block(last.place, last.language, last.text, match[2]))
        else:
            result.append(Block(place, match[1], match[2]))
    return result


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Every ``$`` line of a console with what is shown below it."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


BLOCKS = [block for path in PAGES for block in blocks(path)]


def of(language: str) -> list[Any]:
    """Blocks of a language as parameters of a test."""
    return [pytest.param(block, id=block.place) for block in BLOCKS if block.language == language]
