"""A cleaned text in pieces of about so many bytes, cut where a speaker would pause."""

import re
from collections.abc import Callable, Iterator
from functools import partial

from deployments.fish_speech.text.normaliser import PARAGRAPH, has_words

_ENDS = (
    re.compile(r"[!?。！？\n]|\.(?<!\d\.(?=\d))"),  # of sentences and lines; a point between digits is none
    re.compile("[,，]"),
    re.compile(" "),
)


def split(text: str, length: int) -> list[str]:
    """The pieces of a cleaned text that have something to be said, each of about ``length`` bytes of UTF-8; one
    piece if that is 0.

    A paragraph is a piece of its own. What is too long is cut after sentences (but not in numbers) and lines, what
    still is after commas, then after spaces, then anywhere. Neighbours are joined again where they fit, lines by a
    blank. Only a cut anywhere gives pieces that are longer, by the rest of the character that fills them, which is
    at most three bytes.
    """
    pieces: Iterator[str] = iter([text])
    if length > 0:
        pieces = (piece for paragraph in text.split(PARAGRAPH) for piece in _short(paragraph, length))
    tidy = (" ".join(piece.split()) for piece in pieces)
    return [piece for piece in tidy if has_words(piece)]


def _short(text: str, length: int) -> Iterator[str]:
    pieces = iter([text])
    for ends in _ENDS:
        pieces = _cut(pieces, length, partial(_after, ends=ends))
    return _joined(_cut(pieces, length, partial(_filled, length=length)), length)


def _cut(pieces: Iterator[str], length: int, how: Callable[[str], Iterator[str]]) -> Iterator[str]:
    for piece in pieces:
        if _size(piece) <= length:
            yield piece
        else:
            yield from how(piece)


def _after(text: str, ends: re.Pattern[str]) -> Iterator[str]:
    begin = 0
    for match in ends.finditer(text):
        yield text[begin : match.end()]
        begin = match.end()
    yield text[begin:]


def _filled(text: str, length: int) -> Iterator[str]:
    begin = size = 0
    for place, character in enumerate(text, 1):
        size += _size(character)
        if size >= length:
            yield text[begin:place]
            begin, size = place, 0
    yield text[begin:]


def _joined(pieces: Iterator[str], length: int) -> Iterator[str]:
    joined, size = "", 0
    for piece in pieces:
        more = _size(piece)
        if size + more > length:
            yield joined
            joined, size = "", 0
        joined, size = joined + piece, size + more
    yield joined


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
