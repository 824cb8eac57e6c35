"""Prompts of fish-speech 1.5: a conversation in which the assistant speaks what the user writes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deployments.fish_speech.prompts import Columns, Reference, checked_codes, text_columns
from deployments.fish_speech.text.signs import clean_v15
from deployments.fish_speech.v15.tokenizer import Tokenizer

SYSTEM = "Speak out the provided text."


class PromptsV15:
    """``Prompts``. Tokens of a message's parts are made apart from each other, as the models were trained."""

    def __init__(self, tokenizer: Tokenizer, num_codebooks: int, codebook_size: int) -> None:
        self._tokenizer = tokenizer
        self._codebooks = num_codebooks
        self._entries = min(codebook_size, len(tokenizer.semantic))

    def opening(self, references: Sequence[Reference]) -> Columns:
        """The system's message; then each reference as something that the user wrote and the assistant spoke."""
        parts = [self._text(self._message("system", SYSTEM))]
        for text, codes in references:
            spoken = checked_codes(codes, self._codebooks, self._entries)
            tokens = spoken[:1] + self._tokenizer.semantic.start
            parts += [self._asked(text), np.concatenate([tokens, spoken]), self._text([self._tokenizer.im_end])]
        return np.concatenate(parts, axis=1)

    def segment(self, text: str, speaker: str | None = None) -> Columns:
        """The user's message, and the assistant's up to where speech begins. There are no named speakers."""
        return self._asked(text)

    def past(self, frames: Columns) -> Columns:
        """The frames as they are; the one that ends is the end of the message."""
        return frames

    def text_ids(self, text: str) -> NDArray[np.int64]:
        """Token ids of a text alone, of shape (any,)."""
        return np.array(self._tokenizer.encode(text), np.int64)

    def text_tokens(self, text: str) -> int:
        """How many tokens a text is."""
        return len(self._tokenizer.encode(text))

    def _asked(self, text: str) -> Columns:
        opened = [self._tokenizer.im_start, *self._tokenizer.encode("assistant\n"), self._tokenizer.voice]
        return self._text([*self._message("user", clean_v15(text)), *opened])

    def _message(self, role: str, text: str) -> list[int]:
        tokenizer = self._tokenizer
        return [tokenizer.im_start, *tokenizer.encode(f"{role}\n"), *tokenizer.encode(text), tokenizer.im_end]

    def _text(self, ids: Sequence[int]) -> Columns:
        return text_columns(ids, self._codebooks)
