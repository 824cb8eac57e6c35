"""Text as fish-speech reads it: cleaned, and in pieces of about so many bytes, cut where a speaker would pause."""

import re
import string
from collections.abc import Callable, Iterator
from functools import partial

Cleaner = Callable[[str], str]

_EMOJI = re.compile("[\U0001f600-\U0001f64f\U0001f300-\U0001f5ff\U0001f680-\U0001f6ff\U0001f1e0-\U0001f1ff]+")
_COMMAS = re.compile(",{2,}")
_QUOTES = str.maketrans("‘’", "''")

_ELLIPSIS = re.compile(r"\.{3}|…")
_ASCII_FORMS = str.maketrans(
    {
        "\n": ".",
        **dict.fromkeys("。．", "."),
        **dict.fromkeys("！", "!"),
        **dict.fromkeys("？", "?"),
        **dict.fromkeys("，、·：；:;", ","),
        **dict.fromkeys("“”‘’「」『』（）()《》〈〉【】〔〕[]［］", "'"),
        **dict.fromkeys("—–～~・", "-"),
    }
)
_UNSPOKEN_V11 = re.compile("[^\x00-\x7f\u4e00-\u9fff\u3040-\u309f\u30a0-\u30ff]+")

_ENDS = (
    re.compile(r"[!?。！？]|\.(?<!\d\.(?=\d))"),  # of sentences; a point between digits is none
    re.compile("[,，]"),
    re.compile(" "),
)
_SILENT = frozenset(string.punctuation + string.whitespace)


def clean_v15(text: str) -> str:
    """Without surrounding space, curly single quotes, emoji and runs of commas."""
    return _COMMAS.sub(",", _EMOJI.sub("", text.strip().translate(_QUOTES)))


def clean_v11(text: str) -> str:
    """Without surrounding space; marks and brackets of other scripts become ASCII; then all is dropped that is
    neither ASCII nor Chinese nor kana.
    """
    return _UNSPOKEN_V11.sub("", _ELLIPSIS.sub("", text.strip()).translate(_ASCII_FORMS))


def split(text: str, length: int, clean: Cleaner) -> list[str]:
    """The pieces of a cleaned text that have something to be said, each of about ``length`` bytes of UTF-8; one
    piece if that is 0.

    What is too long is cut after sentences (but not in numbers), what still is after commas, then after
    spaces, then anywhere. Neighbours are joined again where they fit. Only a cut anywhere gives pieces that are
    longer, by the rest of the character that fills them, which is at most three bytes.
    """
    text = clean(text)
    pieces = iter([text])
    if length > 0:
        for ends in _ENDS:
            pieces = _cut(pieces, length, partial(_after, ends=ends))
        pieces = _joined(_cut(pieces, length, partial(_filled, length=length)), length)
    return [stripped for piece in pieces if (stripped := piece.strip()) and not _SILENT.issuperset(stripped)]


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
