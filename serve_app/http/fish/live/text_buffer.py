"""Text that comes in pieces of any size, and what of it can be spoken already."""

import re

from deployments.fish_speech.text.normaliser import has_words

LONGEST_PIECE = 4_000
_CLOSING = "\"'”’»)]"
# A sentence ends in a sign of its end, perhaps quoted, before a blank; signs of scripts without blanks need none.
# At the end of what is there a full stop after a digit may be a decimal point.
_SENTENCE_END = re.compile(
    rf"[.!?…]+[{re.escape(_CLOSING)}]*(?=\s)|[。！？]+[{re.escape(_CLOSING)}]*|\n+|(?:[!?…]|(?<=\D)\.)+[{re.escape(_CLOSING)}]*\Z"
)
_BLANK = re.compile(r"\s")


class TextBuffer:
    """What was received and not yet spoken.

    Whole sentences are ready once they have ``least`` characters together. A text without an end of a sentence is
    cut at a blank when it has more than ``most`` bytes of UTF-8; 0 waits for the end. After :meth:`flush` all of
    it is ready. No piece has more than ``longest`` characters.

    ``whole`` texts are never cut: a piece is what came from one flush to the next, however long it is.
    """

    def __init__(self, least: int, most: int, longest: int = LONGEST_PIECE, *, whole: bool = False) -> None:
        self._least, self._most, self._longest, self._whole = least, most, longest, whole
        self._parts: list[str] = []
        self._flushes: list[int] = []  # ends of what was flushed
        self.waiting = 0
        """Characters that are not spoken yet."""

    def add(self, text: str) -> None:
        """More text."""
        self._parts.append(text)
        self.waiting += len(text)

    def flush(self) -> None:
        """Make everything ready that is there."""
        if self.waiting > (self._flushes[-1] if self._flushes else 0):
            self._flushes.append(self.waiting)

    def take(self) -> str | None:
        """The next piece to be spoken, None if nothing is ready. Pieces without a letter or digit are left out."""
        while (end := self._end()) > 0:
            text = "".join(self._parts)
            piece, rest = text[:end], text[end:]
            self._parts, self.waiting = [rest] if rest else [], len(rest)
            self._flushes = [flush - end for flush in self._flushes if flush > end]
            if has_words(piece):
                return piece.strip()
        return None

    def _end(self) -> int:
        text = "".join(self._parts)
        self._parts = [text] if text else []
        if self._whole:
            return self._flushes[0] if self._flushes else 0
        if self._flushes:
            flushed = self._flushes[-1]
            return flushed if flushed <= self._longest else _cut(text, self._longest)
        sentences = [match.end() for match in _SENTENCE_END.finditer(text, 0, self._longest)]
        if sentences and sentences[-1] >= self._least:
            return sentences[-1]
        if len(text) > self._longest:
            return _cut(text, self._longest)
        if self._most and len(text.encode("utf-8", "replace")) > self._most:
            return _cut(text, min(self._most, self._longest))
        return 0


def _cut(text: str, most: int) -> int:
    """The end of the last sentence within ``most`` characters, else the last blank, else just there."""
    for pattern in (_SENTENCE_END, _BLANK):
        if ends := [match.end() for match in pattern.finditer(text, 0, most)]:
            return ends[-1]
    return most
