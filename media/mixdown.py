"""Several channels -> one: a mix of all or, where the mix cancels itself out, the loudest."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

PIECE_S = 0.125
"""Seconds after which it is decided anew whether the channels cancel."""
CANCELLED = 0.1
"""The part of the channels' power that is left in a mix which counts as cancelled: 10 dB are lost."""
MIXED = 0.2
"""The part from which on it is a good mix again."""
SILENCE = 1e-9
"""Power (full scale: 1) below which nothing can be said; what was decided last goes on."""
LOUDER = 2.0
"""By how much another channel has to be louder before it takes over."""
FADE_S = 0.01
MEASURED_HZ = 8_000
"""About how many samples of a second are looked at: power needs no more."""

Samples = NDArray[np.float32]


class Mixdown:
    """Mixes a stream of channels that keeps its rate and its layout.

    The mix is ``weights @ channels``. Microphones wired the wrong way round, and some converters, make channels
    that are each other's negative: their mix is silence although every listener hears them. So the power of the
    mix in each eighth of a second is compared with the sum of what the channels bring into it, which is what is
    left when they have nothing in common; if it is less than a tenth of that, the channel that brings most is
    taken alone, at its own level. Constant offsets do not count. Transitions are faded.
    """

    def __init__(self, weights: NDArray[np.float32], rate: int) -> None:
        """``weights``: float32 of shape (channels,), at least 0; ``rate`` in Hz."""
        self._weights, self._squares = weights, np.square(weights, dtype=np.float64)
        self._single = np.eye(len(weights), dtype=np.float32)
        self._alone: int | None = None
        self._piece = max(1, round(PIECE_S * rate))
        self._fade = max(1, round(FADE_S * rate))
        self._step = max(1, rate // MEASURED_HZ)

    def mix(self, planes: Samples) -> Samples:
        """The next samples: finite float32 of shape (channels, any) in, (the same,) out."""
        mixed: Samples = self._weights @ planes
        length = planes.shape[1]
        if not length:
            return mixed
        pieces = max(1, round(length / self._piece))
        bounds = np.arange(pieces + 1) * length // pieces
        powers = self._powers([*planes, mixed], bounds)
        brought, left = self._squares[:, None] * powers[:-1], powers[-1]
        if self._alone is None and (left >= CANCELLED * brought.sum(axis=0)).all():
            return mixed
        for number, (start, end) in enumerate(pairwise(bounds)):
            before = self._alone
            self._decide(brought[:, number], float(left[number]))
            if self._alone is not None or before is not None:
                mixed[start:end] = self._transition(planes[:, start:end], before)
        return mixed

    def _powers(self, rows: Sequence[Samples], bounds: NDArray[np.int_]) -> NDArray[np.float64]:
        """Power around the mean of every row between neighbouring bounds, of shape (rows, pieces)."""
        looked_at = np.array([row[:: self._step] for row in rows], np.float64)
        starts = -(-bounds[:-1] // self._step)
        counts = np.diff(starts, append=looked_at.shape[1])
        means = np.add.reduceat(looked_at, starts, axis=1) / counts
        powers: NDArray[np.float64] = np.add.reduceat(np.square(looked_at), starts, axis=1) / counts
        return powers - np.square(means)

    def _decide(self, brought: NDArray[np.float64], left: float) -> None:
        """Which channel is heard alone from here on, None for the mix."""
        whole = float(brought.sum())
        if whole < SILENCE:
            return
        if left >= whole * (CANCELLED if self._alone is None else MIXED):
            self._alone = None
        elif self._alone is None or brought.max() > LOUDER * brought[self._alone]:
            self._alone = int(brought.argmax())

    def _transition(self, planes: Samples, before: int | None) -> Samples:
        """A piece as it has been decided, faded in from what was heard before."""
        result: Samples = self._of(self._alone) @ planes
        if before != self._alone:
            fade = min(self._fade, planes.shape[1])
            rising = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
            result[:fade] = rising * result[:fade] + (1 - rising) * (self._of(before) @ planes[:, :fade])
        return result

    def _of(self, channel: int | None) -> NDArray[np.float32]:
        return self._weights if channel is None else self._single[channel]
