"""Cleaning text and cutting it into segments, as fish-speech 1.5 and 1.1 do."""

import re
from collections.abc import Callable, Iterator

ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
EMOJI = re.compile("[\U0001f600-\U0001f64f\U0001f300-\U0001f5ff\U0001f680-\U0001f6ff\U0001f1e0-\U0001f1ff]+")
COMMAS = re.compile(r",{2,}")
DECIMAL_POINT = re.compile(r"\.(?=\d)")
SENTENCES = re.compile(r"(?<=[.!?。！？])")  # the full-width ones are gone from a text that 1.1 has cleaned
CLAUSES = re.compile(r"(?<=[,，])")
WORDS = re.compile(r"(?<= )")
KEPT_POINT = "\ue000"  # stands for a decimal point while sentences are looked for

OLD_SYMBOLS = str.maketrans(
    {
        **dict.fromkeys("：；;:，", ","),
        **dict.fromkeys("。\n", "."),
        **dict.fromkeys("“”‘’（）()《》【】[]「」『』—", "'"),
        "！": "!",
        "？": "?",
        "·": ",",
        "、": ",",
        "…": "",
        "～": "-",
        "~": "-",
    }
)
OLD_UNKNOWN = re.compile("[^\u3040-\u309f\u30a0-\u30ff\u4e00-\u9fff\x20-\x7e]")


def clean(text: str) -> str:
    """A text as 1.5 reads it: without emoji, with straight single quotes and single commas."""
    text = text.strip().replace("‘", "'").replace("’", "'")
    return COMMAS.sub(",", EMOJI.sub("", text))


def clean_v11(text: str) -> str:
    """A text as 1.1 reads it: ASCII, Chinese characters and kana; other symbols become what is nearest, or go."""
    return OLD_UNKNOWN.sub("", text.strip().translate(OLD_SYMBOLS).replace("...", ""))


def split(text: str, length: int) -> list[str]:
    """Segments of a cleaned text, of about ``length`` bytes of UTF-8 at most; 0 leaves it whole.

    Cut after sentences if it is longer, those after commas, those after spaces, and what is still longer anywhere,
    where a segment may have up to three bytes more. What has nothing to be spoken is left out.
    """
    pieces = _merged(_cut(text, length, [_sentences, CLAUSES.split, WORDS.split]), length) if length else [text]
    return [found for piece in pieces if (found := piece.strip()) and not ASCII_PUNCTUATION.issuperset(found)]


def _sentences(text: str) -> list[str]:
    """Cut after sentences, but not within decimal numbers."""
    return [part.replace(KEPT_POINT, ".") for part in SENTENCES.split(DECIMAL_POINT.sub(KEPT_POINT, text))]


def _cut(text: str, length: int, ways: list[Callable[[str], list[str]]]) -> Iterator[str]:
    """Pieces that are short enough, each cut in no finer a way than it takes."""
    if size(text) <= length:
        yield text
    elif ways:
        for piece in ways[0](text):
            yield from _cut(piece, length, ways[1:])
    else:
        yield from _anywhere(text, length)


def _anywhere(text: str, length: int) -> Iterator[str]:
    begin = held = 0
    for end, character in enumerate(text, 1):
        held += size(character)
        if held >= length:
            yield text[begin:end]
            begin, held = end, 0
    yield text[begin:]


def _merged(pieces: Iterator[str], length: int) -> list[str]:
    """Neighbours put together as long as they are short enough."""
    found: list[str] = []
    for piece in pieces:
        if found and size(found[-1]) + size(piece) <= length:
            found[-1] += piece
        else:
            found.append(piece)
    return found


def size(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode())
