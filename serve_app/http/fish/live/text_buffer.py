"""Text that comes in pieces of any size, and what of it can be spoken already."""

import re

from deployments.fish_speech.text.normaliser import has_words

LONGEST_PIECE = 4_000
_CLOSING = "\"'”’»)]"
# A sentence ends in a sign of its end, perhaps quoted, before a blank; signs of scripts without blanks need none.
_SENTENCE_END = re.compile(
    rf"(?<![.!?…])[.!?…]++[{re.escape(_CLOSING)}]*+(?=\s)|[。！？]+[{re.escape(_CLOSING)}]*|\n+"
)
# At the end of what is there a full stop after a digit may be a decimal point.
_END_OF_ALL = re.compile(r"[!?…]|\D\.")
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
        if text:
            self._parts.append(text)
            self.waiting += len(text)

    def flush(self) -> None:
        """Make everything ready that is there."""
        begin = self._flushes[-1] if self._flushes else 0
        if self._whole and not has_words(self._text()[begin:]):
            self._keep(self._text()[:begin])
        elif self.waiting > begin:
            self._flushes.append(self.waiting)

    def take(self) -> str | None:
        """The next piece to be spoken, None if nothing is ready. Pieces without a letter or digit are left out."""
        while (end := self._end()) > 0:
            piece = self._text()[:end]
            self._keep(self._text()[end:])
            self._flushes = [flush - end for flush in self._flushes if flush > end]
            if has_words(piece):
                return piece.strip()
        return None

    def _end(self) -> int:
        if self._whole:
            return self._flushes[0] if self._flushes else 0
        text = self._text()
        if self._flushes:
            flushed = self._flushes[-1]
            return flushed if flushed <= self._longest else _cut(text, self._longest)
        end = _end_of_sentences(text[: self._longest])
        if end and end >= self._least:
            return end
        if len(text) > self._longest:
            return _cut(text, self._longest)
        if self._most and len(text.encode("utf-8", "replace")) > self._most:
            return _cut(text, min(self._most, self._longest))
        return 0

    def _text(self) -> str:
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    def _keep(self, text: str) -> None:
        self._parts, self.waiting = [text] if text else [], len(text)


def _end_of_sentences(text: str) -> int:
    """Where the last sentence ends; 0 if none does."""
    said = text.rstrip(_CLOSING)
    if _END_OF_ALL.fullmatch(said[-1:]) or _END_OF_ALL.fullmatch(said[-2:]):
        return len(text)
    return max((match.end() for match in _SENTENCE_END.finditer(text)), default=0)


def _cut(text: str, most: int) -> int:
    """The end of the last sentence within ``most`` characters, else the last blank, else just there."""
    start = text[:most]
    return _end_of_sentences(start) or max((match.end() for match in _BLANK.finditer(start)), default=most)
