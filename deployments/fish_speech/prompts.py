"""What prompts of both versions have in common. They are columns, int32 of shape (1 + codebooks, any)."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deployments.errors import InvalidRequest

Columns = NDArray[np.int32]
Reference = tuple[str, NDArray[np.integer[Any]]]
"""A transcript, and the codes of its recording: integers of shape (at least ``num_codebooks``, any)."""


class Prompts(Protocol):
    """The prompt of a segment is an opening, kept items of the past, and the segment itself."""

    def opening(self, references: Sequence[Reference]) -> Columns:
        """What comes first, for all segments of a text. Raises InvalidRequest for codes that a model has not."""

    def segment(self, text: str, speaker: str | None = None) -> Columns:
        """A piece of text, and the beginning of its speech."""

    def past(self, frames: Columns) -> Columns:
        """All frames that were drawn for a segment, the one that ends it included, as later segments see them."""

    def text_ids(self, text: str) -> NDArray[np.int64]:
        """Token ids of a text alone, of shape (any,). Nothing in it is taken for a control token."""

    def text_tokens(self, text: str) -> int:
        """How many tokens a text is."""


def text_columns(ids: Sequence[int], codebooks: int) -> Columns:
    """Columns of tokens, with zeros for codes."""
    columns = np.zeros((1 + codebooks, len(ids)), np.int32)
    columns[0] = ids
    return columns


def checked_codes(codes: NDArray[np.integer[Any]], codebooks: int, entries: int) -> Columns:
    """The first ``codebooks`` rows of a reference's codes, which have to be 0 to ``entries`` - 1.

    Raises InvalidRequest if they are not, or are fewer.
    """
    if codes.ndim != 2 or codes.shape[0] < codebooks or not np.issubdtype(codes.dtype, np.integer):
        raise InvalidRequest(
            f"Codes of a reference have to be integers of shape ({codebooks}, frames), not {codes.dtype} of shape "
            f"{codes.shape}.",
            param="references",
        )
    codes = codes[:codebooks]
    if codes.size and (codes.min() < 0 or codes.max() >= entries):
        raise InvalidRequest(
            f"Codes of a reference have to be 0 to {entries - 1}; there are {codes.min()} to {codes.max()}. "
            "Encode it with this model's own codec.",
            param="references",
        )
    return codes.astype(np.int32)
