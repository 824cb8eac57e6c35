"""Prompts of fish-speech 1.1: what a user writes, and what a speaker, maybe a named one, says to it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deployments.fish_speech.prompts import Columns, Reference, checked_codes, text_columns
from deployments.fish_speech.text.signs import clean_v11
from deployments.fish_speech.v11.tokenizer import BEGIN, IM_END, IM_SEP, IM_START, Tokenizer

CODE_SHIFT = 2
END_CODE = 1  # stored, in all codebooks of the last column
SPEAKER = "assistant"


class PromptsV11:
    """``Prompts``. ``codebook_size`` counts the two codes that stand for padding and for the end."""

    def __init__(self, tokenizer: Tokenizer, num_codebooks: int, codebook_size: int) -> None:
        self._tokenizer = tokenizer
        self._codebooks = num_codebooks
        self._entries = codebook_size - CODE_SHIFT
        self._end = np.full((1 + num_codebooks, 1), END_CODE, np.int32)
        self._end[0] = tokenizer.im_end

    def opening(self, references: Sequence[Reference]) -> Columns:
        """The beginning; then each reference as something that a user wrote and the assistant said."""
        parts = [self._text(self._tokenizer.control(BEGIN))]
        for text, codes in references:
            spoken = checked_codes(codes, self._codebooks, self._entries) + CODE_SHIFT
            tokens = np.full((1, spoken.shape[1]), self._tokenizer.semantic, np.int32)
            parts += [self.segment(text), np.concatenate([tokens, spoken]), self._end]
        return np.concatenate(parts, axis=1)

    def segment(self, text: str, speaker: str | None = None) -> Columns:
        """What a user writes, and the name of who is going to say it."""
        control, encode = self._tokenizer.control, self._tokenizer.encode
        user = [*control(IM_START), *encode("user"), *control(IM_SEP), *encode(clean_v11(text)), *control(IM_END)]
        return self._text([*user, *control(IM_START), *encode(speaker or SPEAKER), *control(IM_SEP)])

    def past(self, frames: Columns) -> Columns:
        """The frames without the last, which ended; then, if there is none yet, the column that closes speech."""
        kept = frames[:, :-1]
        closed = kept.shape[1] > 0 and kept[0, -1] == self._tokenizer.im_end
        return kept if closed else np.concatenate([kept, self._end], axis=1)

    def text_ids(self, text: str) -> NDArray[np.int64]:
        """Token ids of a text alone, of shape (any,)."""
        return np.array(self._tokenizer.encode(text), np.int64)

    def text_tokens(self, text: str) -> int:
        """How many tokens a text is."""
        return len(self._tokenizer.encode(text))

    def _text(self, ids: Sequence[int]) -> Columns:
        return text_columns(ids, self._codebooks)
