"""Long texts in pieces, so that a classifier reads all of them and no sentence drowns among its neighbours.

The pieces are the sentences, each alone, and windows that slide over the words by half of their length: what is
spread over sentences, or written without any, is in one of them. Whatever is at most a third of a window long is
whole in at least one piece.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Span = tuple[int, int]
CountTokens = Callable[[Sequence[str]], Sequence[int]]
"""How many tokens each of some texts has, without those that begin and end every input."""

LONGEST_WORD = 32  # characters that are counted at once
_ENDS_ANYWHERE = "。！？"  # of sentences; the others need a blank after them
_ENDS = ".!?…" + _ENDS_ANYWHERE
_WORD = re.compile(rf"[^\s{_ENDS_ANYWHERE}]{{1,{LONGEST_WORD}}}[{_ENDS_ANYWHERE}]?|[{_ENDS_ANYWHERE}]")
_CLOSING = "\"'”’»)]"
SHARE = 8  # of a window that a word takes at most; longer ones are halved


@dataclass(frozen=True, slots=True)
class _Word:
    begin: int
    end: int
    tokens: int


def pieces_of(text: str, count: CountTokens, most: int) -> list[Span]:
    """Begins and ends of the pieces, each about ``most`` tokens at most, in order; together they are all words.

    Without any word that is the text itself.
    """
    words = _words(text, count, max(1, most // SHARE))
    if not words:
        return [(0, len(text))]
    windows = _windows(words, most)
    sentences = _sentences(text, words, most)
    return sorted({*windows, *sentences})


def halves(text: str) -> tuple[str, str] | None:
    """A text in two, cut at the blank next to its middle, else there; None for a single character."""
    if len(text) < 2:
        return None
    middle = len(text) // 2
    blanks = (text.rfind(" ", 1, middle + 1), text.find(" ", middle, len(text) - 1))
    cut = min((at for at in blanks if at > 0), key=lambda at: abs(at - middle), default=middle)
    return text[:cut], text[cut:]


def _words(text: str, count: CountTokens, most: int) -> list[_Word]:
    spans = [match.span() for match in _WORD.finditer(text)]
    words: list[_Word] = []
    known: dict[str, int] = {}
    while spans:
        unknown = list(dict.fromkeys(text[begin:end] for begin, end in spans if text[begin:end] not in known))
        known.update(zip(unknown, count(unknown), strict=True))
        longer: list[Span] = []
        for begin, end in spans:
            tokens = known[text[begin:end]]
            if tokens > most and end - begin > 1:
                middle = (begin + end) // 2
                longer += [(begin, middle), (middle, end)]
            else:
                words.append(_Word(begin, end, max(1, tokens)))
        spans = longer
    return sorted(words, key=lambda word: word.begin)


def _windows(words: Sequence[_Word], most: int) -> Iterator[Span]:
    first = last = tokens = 0
    while True:
        while last < len(words) and (last == first or tokens + words[last].tokens <= most):
            tokens += words[last].tokens
            last += 1
        yield words[first].begin, words[last - 1].end
        if last == len(words):
            return
        following = words[last].tokens
        while first < last and (tokens + following > most or (tokens > most // 2 and first < last - 1)):
            tokens -= words[first].tokens
            first += 1


def _sentences(text: str, words: Sequence[_Word], most: int) -> Iterator[Span]:
    """Those that fit into a window; the others are in several windows anyway."""
    begin, tokens = words[0].begin, 0
    for word, following in zip(words, [*words[1:], None], strict=True):
        tokens += word.tokens
        gap = "\n" if following is None else text[word.end : following.begin]
        if following is None or _ends(text[word.begin : word.end], gap):
            if tokens <= most:
                yield begin, word.end
            begin, tokens = (following.begin if following else 0), 0


def _ends(word: str, gap: str) -> bool:
    sign = word.rstrip(_CLOSING)[-1:]
    return "\n" in gap or (bool(sign) and sign in (_ENDS if gap else _ENDS_ANYWHERE))
