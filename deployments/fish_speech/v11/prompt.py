"""Prompts of fish-speech 1.1: a user who asks for speech, and a speaker who answers with it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deployments.errors import InvalidRequest
from deployments.fish_speech.v11.tokenizer import Tokenizer

Columns = NDArray[np.int32]
SHIFT, END_CODE = 2, 1  # what is added to codes in a column; what they are in the column that ends
SPEAKER = "assistant"


class Prompts:
    """Columns, int32 of shape (1 + codebooks, any): row 0 has tokens, the others shifted codes, or 0."""

    def __init__(self, tokenizer: Tokenizer, codebooks: int, codebook_size: int) -> None:
        self._tokenizer = tokenizer
        self._codebooks, self._codes = codebooks, codebook_size - SHIFT

    def opening(self, references: Sequence[tuple[str, NDArray[np.int32]]]) -> Columns:
        """What every segment's prompt begins with: the begin of it all, and the voice as something said before.

        ``references`` are transcripts with codes (codebooks, frames). Raises InvalidRequest for codes that the
        model does not have.
        """
        parts = [self._text(self._tokenizer.begin)]
        for text, codes in references:
            parts += [self.segment(text), self._frames(codes), self._end()]
        return np.concatenate(parts, axis=1)

    def segment(self, text: str, speaker: str | None = None) -> Columns:
        """A text to be spoken, up to where speech begins, by a ``speaker`` whom the model was trained with."""
        tokenizer = self._tokenizer
        user = [tokenizer.start, *tokenizer.encode("user"), tokenizer.separator, *tokenizer.encode(text)]
        answer = [tokenizer.stop, tokenizer.start, *tokenizer.encode(speaker or SPEAKER), tokenizer.separator]
        return self._text(*user, *answer)

    def past(self, columns: Columns) -> Columns:
        """What was said for a segment, as the past of the next one: all but the last frame, and an end."""
        kept = columns[:, :-1]
        if kept.shape[1] and kept[0, -1] == self._tokenizer.stop:
            return kept
        return np.concatenate([kept, self._end()], axis=1)

    def text_ids(self, text: str) -> NDArray[np.int64]:
        """Tokens of a text alone."""
        return np.array(self._tokenizer.encode(text), np.int64)

    def _text(self, *tokens: int) -> Columns:
        columns = np.zeros((1 + self._codebooks, len(tokens)), np.int32)
        columns[0] = tokens
        return columns

    def _end(self) -> Columns:
        return np.array([[self._tokenizer.stop], *[[END_CODE]] * self._codebooks], np.int32)

    def _frames(self, codes: NDArray[np.int32]) -> Columns:
        codes = codes[: self._codebooks]
        if codes.shape[0] != self._codebooks or (codes.size and not 0 <= codes.min() <= codes.max() < self._codes):
            raise InvalidRequest(
                f"Codes of a reference have to be {self._codebooks} rows of numbers from 0 to {self._codes - 1}; "
                "encode it with this model's own codec.",
                param="references",
            )
        tokens = np.full((1, codes.shape[1]), self._tokenizer.semantic)
        return np.concatenate([tokens, codes + SHIFT]).astype(np.int32)
