"""What versions 1.5 and 1.1 disagree about when they draw a frame, and when they stop."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class FrameRules:
    """How frames, columns of one token and ``num_codebooks`` codes, are made.

    ``semantic`` are the tokens of frames with sound; ``end_ids`` are tokens that end, and so does ``end_code``, in
    any codebook, if there is one. With ``first_code_is_token`` the token says the first code, else the fast
    transformer draws all of them. Codes are stored with ``code_shift`` added. ``token_penalised`` applies the
    repetition penalty to tokens, too. ``speech_only`` lets only ``semantic`` and ``end_ids`` be drawn as tokens.
    The original leaves out ``strict_lost`` frames at the beginning of a segment, and so many at its end
    (``returned_frames``).
    """

    num_codebooks: int
    codebook_size: int
    vocab_size: int
    semantic: range
    end_ids: tuple[int, ...]
    end_code: int | None = None
    first_code_is_token: bool = True
    code_shift: int = 0
    token_penalised: bool = True
    speech_only: bool = False
    strict_lost: tuple[int, int] = (1, 0)

    @property
    def token_ids(self) -> tuple[int, ...] | None:
        """The tokens that may be drawn; None are all."""
        return (*self.semantic, *self.end_ids) if self.speech_only else None

    @property
    def drawn_codebooks(self) -> range:
        """Those that the fast transformer draws."""
        return range(1 if self.first_code_is_token else 0, self.num_codebooks)

    @property
    def widths(self) -> tuple[int, ...]:
        """How many numbers the draws of a frame choose among: the token, then ``drawn_codebooks``."""
        tokens = self.vocab_size if self.token_ids is None else len(self.token_ids)
        return (tokens, *(self.codebook_size for _ in self.drawn_codebooks))

    def ended(self, columns: Tensor) -> Tensor:
        """Which of the columns (B, 1 + codebooks) say that speech is over: bool (B,). They hold no sound."""
        ends = columns[:, 0] == self.end_ids[0]
        for token in self.end_ids[1:]:
            ends = ends | (columns[:, 0] == token)
        if self.end_code is not None:
            ends = ends | (columns[:, 1:] == self.end_code).any(1)
        return ends

    def codes(self, columns: Tensor) -> Tensor:
        """Codes (codebooks, T) of columns (1 + codebooks, T): at least 0, maybe beyond the codec's entries."""
        return (columns[1:] - self.code_shift).clamp(min=0)

    def returned_frames(
        self, columns: Tensor, *, ended: bool, first: bool = True, last: bool = True, strict: bool = False
    ) -> Tensor:
        """Those of a segment's frames, (1 + codebooks, T), that are to be heard.

        All are, but for the last one if the model has ``ended`` with it. ``strict`` repeats the original's
        mistake: 1.5 loses the first frame and speaks the one that ends; 1.1 loses the last two, ended or not.
        ``first`` and ``last`` tell of a part whether the segment begins and ends with it.
        """
        if not strict:
            return columns[:, : columns.shape[1] - 1] if ended and last else columns
        begin = self.strict_lost[0] if first else 0
        end = self.strict_lost[1] if last else 0
        return columns[:, begin : max(begin, columns.shape[1] - end)]


def token_positions(rules: FrameRules, device: torch.device | None = None) -> Tensor:
    """For every token id, where among ``rules.token_ids`` it is; their number if it is none of them."""
    ids = torch.tensor(rules.token_ids)
    positions = torch.full((rules.vocab_size,), len(ids))
    positions[ids] = torch.arange(len(ids))
    return positions.to(device)
