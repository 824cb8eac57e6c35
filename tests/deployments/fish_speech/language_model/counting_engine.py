"""An engine that counts: frame n of a segment is its seed and n, so that tests see whose frame they have."""

from collections.abc import Sequence

import numpy as np

from deployments.fish_speech.language_model.batcher import Columns, SpeechSegment

CODEBOOKS = 2
PIECE = 4


def segment(seed: int, *, prompt: int = 3, frames: int = 5, most: int = 1_000, **chunks: int) -> SpeechSegment:
    """A segment that ends by itself after ``frames``, the one that says so counted."""
    columns = np.full((1 + CODEBOOKS, prompt), seed, np.int32)
    return SpeechSegment(columns[:, :0], columns, seed, frames, most, **chunks)


class CountingEngine:
    """``FrameEngine``; checks that rows have no gaps and that nobody uses a row that is not theirs.

    ``bad_prompts`` and ``bad_steps`` are the seeds whose prompt fails, and the numbers of the steps that fail.
    """

    def __init__(self, slots: int = 4, bad_prompts: Sequence[int] = (), bad_steps: Sequence[int] = ()) -> None:
        self.slots = slots
        self.rows: dict[int, tuple[SpeechSegment, int]] = {}
        self.steps = 0
        self.widest = 0
        self._bad_prompts, self._bad_steps = set(bad_prompts), set(bad_steps)

    def stage(self, segment: SpeechSegment) -> None:
        self._staged, self._left = segment, segment.length

    def prefill(self) -> bool:
        if self._staged.seed in self._bad_prompts:
            raise RuntimeError("bad prompt")
        self._left -= PIECE
        return self._left <= 0

    def place(self, row: int) -> tuple[Columns, bool]:
        assert row < self.slots
        self.rows[row] = (self._staged, 0)
        return self._next(row)

    def step(self, rows: int) -> tuple[Columns, Sequence[bool]]:
        self.steps += 1
        self.widest = max(self.widest, rows)
        if self.steps in self._bad_steps:
            raise RuntimeError("bad step")
        frames = [self._next(row) for row in range(rows)]
        return np.stack([frame for frame, _ in frames]), [end for _, end in frames]

    def move(self, source: int, target: int) -> None:
        self.rows[target] = self.rows.pop(source)

    def _next(self, row: int) -> tuple[Columns, bool]:
        segment, count = self.rows[row]
        self.rows[row] = (segment, count + 1)
        return np.array([segment.seed, count, row], np.int32), count + 1 == segment.first_frame
