"""Markdown without its signs: what a reader would say of it."""

import html
import re
from collections.abc import Iterator, Sequence
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from deployments.fish_speech.text.passage import Passage

_UNSAID = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<[!?][^<>]*>")
# What a parser leaves, because its other half is missing: text arrives in pieces, and people forget.
_LEFT_OVER = re.compile(r"\*{2,}|~{2,}|`+|(?<!\w)_+(?=\w)|(?<=\w)_+(?!\w)|(?<![\w*])\*(?=\w)|(?<=\w)\*(?![\w*])")


USUAL_SECTION, LONGEST_SECTION = 2_000, 4_000  # characters: a parser's time may grow with the square of them
_FENCE = re.compile(r"\s{0,3}(```|~~~)")


def read_markdown(text: str) -> list[Passage]:
    """A passage for every heading, paragraph, entry of a list and row of a table, and for every block of code.

    Long texts are read in sections, cut at blank lines outside of code where there are such.
    """
    return [passage for section in _sections(text) for passage in _passages(section)]


def _sections(text: str) -> Iterator[str]:
    lines: list[str] = []
    size, in_code = 0, False
    for whole in text.splitlines(keepends=True):
        for begin in range(0, len(whole), LONGEST_SECTION):
            line = whole[begin : begin + LONGEST_SECTION]
            if size + len(line) > LONGEST_SECTION or (size > USUAL_SECTION and not in_code and not line.strip()):
                yield "".join(lines)
                lines, size = [], 0
            lines.append(line)
            size += len(line)
            in_code ^= bool(_FENCE.match(line))
    yield "".join(lines)


def _passages(text: str) -> list[Passage]:
    passages: list[Passage] = []
    cells: list[str] = []
    in_row = False
    for token in _parser().parse(text):
        match token.type:
            case "tr_open":
                in_row, cells = True, []
            case "tr_close":
                in_row = False
                passages.append(Passage(", ".join(filter(None, cells))))
            case "inline":
                said = "".join(_said(token.children or ()))
                if in_row:
                    cells.append(said.strip())
                else:
                    passages.append(Passage(said))
            case "fence" | "code_block":
                passages.append(Passage(token.content))
            case "html_block":
                passages.append(Passage(html.unescape(_TAG.sub(" ", _UNSAID.sub(" ", token.content)))))
    return passages


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"maxNesting": 100}).enable(["table", "strikethrough"])


def _said(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        match token.type:
            case "text":
                yield _LEFT_OVER.sub("", token.content)
            case "code_inline":
                yield token.content
            case "softbreak" | "hardbreak":
                yield "\n"
            case "image":
                yield from _said(token.children or ())
