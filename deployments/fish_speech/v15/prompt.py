"""Prompts of fish-speech 1.5: messages of a system, a user who asks for speech, and an assistant who speaks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deployments.errors import InvalidRequest
from deployments.fish_speech.v15.tokenizer import Tokenizer

Columns = NDArray[np.int32]
SYSTEM = "Speak out the provided text."


class Prompts:
    """Columns, int32 of shape (1 + codebooks, any): row 0 has tokens, the others codes, or 0 beside text."""

    def __init__(self, tokenizer: Tokenizer, codebooks: int, codebook_size: int) -> None:
        self._tokenizer = tokenizer
        self._codebooks, self._codebook_size = codebooks, codebook_size

    def opening(self, references: Sequence[tuple[str, NDArray[np.int32]]]) -> Columns:
        """What every segment's prompt begins with: the task, and the voice as something said before.

        ``references`` are transcripts with codes (codebooks, frames). Raises InvalidRequest for codes that the
        model does not have.
        """
        parts = [self._text(*self._message("system", SYSTEM))]
        for text, codes in references:
            parts += [self.segment(text), self._frames(codes), self._text(self._tokenizer.end)]
        return np.concatenate(parts, axis=1)

    def segment(self, text: str, speaker: str | None = None) -> Columns:
        """A text to be spoken, up to where speech begins. A ``speaker`` is unknown to this version."""
        return self._text(*self._message("user", text), *self._open("assistant"), self._tokenizer.voice)

    def past(self, columns: Columns) -> Columns:
        """What was said for a segment, as the past of the next one: all of it, and the frame that ended it."""
        return columns

    def text_ids(self, text: str) -> NDArray[np.int64]:
        """Tokens of a text alone."""
        return np.array(self._tokenizer.encode(text), np.int64)

    def _open(self, role: str) -> list[int]:
        return [self._tokenizer.start, *self._tokenizer.encode(f"{role}\n")]

    def _message(self, role: str, text: str) -> list[int]:
        return [*self._open(role), *self._tokenizer.encode(text), self._tokenizer.end]

    def _text(self, *tokens: int) -> Columns:
        columns = np.zeros((1 + self._codebooks, len(tokens)), np.int32)
        columns[0] = tokens
        return columns

    def _frames(self, codes: NDArray[np.int32]) -> Columns:
        codes = codes[: self._codebooks]
        if codes.shape[0] != self._codebooks or (
            codes.size and not 0 <= codes.min() <= codes.max() < self._codebook_size
        ):
            raise InvalidRequest(
                f"Codes of a reference have to be {self._codebooks} rows of numbers from 0 to "
                f"{self._codebook_size - 1}; encode it with this model's own codec.",
                param="references",
            )
        first = np.minimum(codes[:1], len(self._tokenizer.semantic) - 1) + self._tokenizer.semantic.start
        return np.concatenate([first, codes]).astype(np.int32)
