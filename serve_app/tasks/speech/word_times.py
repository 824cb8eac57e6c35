"""When each word of a text is spoken, from words that were heard."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Scripts without blanks between words (Thai, kana, Chinese): every sign counts as a word.
_UNSPACED = r"\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_LETTERS = rf"[^\W_{_UNSPACED}]+"
_WORD = re.compile(rf"[{_UNSPACED}]|{_LETTERS}(?:['’.-]{_LETTERS})*")


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word without punctuation; ``start`` and ``end`` in seconds."""

    text: str
    start: float
    end: float


def words_of(text: str) -> list[str]:
    """The words of a text, in their order, without punctuation."""
    return _WORD.findall(text)


def word_times(text: str, heard: Iterable[TimedWord], duration: float) -> list[TimedWord]:
    """The words of ``text`` with times from 0 to ``duration``, which never fall; none if nothing of it was heard.

    A word that was heard has the time at which it was; those that were not share what is left between the others.
    """
    words = words_of(text)
    known = [part for word in heard for part in _parts(word)]
    matcher = difflib.SequenceMatcher(
        None, [word.casefold() for word in words], [word.text.casefold() for word in known], autojunk=False
    )
    times: list[TimedWord] = []
    clock = 0.0
    begin = 0  # of the words that have no time yet
    for at, found, size in matcher.get_matching_blocks():
        for offset in range(size):
            start = min(max(known[found + offset].start, clock), duration)
            times += _shared(words[begin : at + offset], clock, start)
            clock = min(max(known[found + offset].end, start), duration)
            times.append(TimedWord(words[at + offset], start, clock))
            begin = at + offset + 1
    return times + _shared(words[begin:], clock, duration) if times else []


def _parts(heard: TimedWord) -> list[TimedWord]:
    """What was heard as one word and is several in a text."""
    return _shared(words_of(heard.text), heard.start, heard.end)


def _shared(words: Sequence[str], start: float, end: float) -> list[TimedWord]:
    """Words one after the other, each as long as it has letters."""
    total = sum(map(len, words))
    shared = []
    done = 0
    for word in words:
        begin = start + (end - start) * done / total
        done += len(word)
        shared.append(TimedWord(word, begin, start + (end - start) * done / total))
    return shared
