"""Where decoded sound lies on the clock of its medium, and how much silence belongs before it."""

import math

JITTER_S = 0.1
"""Timestamps are rounded, come late, and count the padding of codecs: what differs by less is no gap."""
RESTART_S = 1.0
"""Timestamps that fall back by more begin anew; what falls back by less is late until the next gap."""
LONGEST_GAP_S = 3_600.0
"""A longer gap is believed only if the medium declares a duration that has room for it."""


class Timeline:
    """Compares timestamps with the sound that has come so far.

    Timestamps may be anything: the silence is finite, never negative, and nothing grows with it. A jump that is
    not believed, forwards or back, is taken for a clock that begins anew: the sound after it follows without a
    gap. ``jumps`` counts them.
    """

    def __init__(self, origin_s: float, end_s: float | None = None) -> None:
        """``origin_s`` is the timestamp of the medium's start; ``end_s`` seconds is how long it says it is."""
        self._origin_s, self._end_s = origin_s, end_s or 0.0
        self._begun = False
        self.position_s = 0.0
        """Seconds from the medium's start to the next sample."""
        self.jumps = 0

    def silence_before(self, time_s: float | None, next_s: float | None = None) -> float:
        """Seconds of silence before a frame with this timestamp; ``next_s`` is the one of the frame after it.
        None stands for a frame without a timestamp, which follows the one before.
        """
        begun, self._begun = self._begun, True
        if time_s is None:
            return 0.0
        gap_s = time_s - self._origin_s - self.position_s
        if not math.isfinite(gap_s):
            return 0.0
        if next_s is not None and _is_damaged(gap_s, next_s - time_s):
            return 0.0
        if not begun and gap_s < 0:
            self._origin_s = time_s  # sound from before the medium's start moves the start
            return 0.0
        has_room = gap_s <= LONGEST_GAP_S or self.position_s + gap_s <= self._end_s + RESTART_S
        if gap_s < -RESTART_S or not has_room:
            self._origin_s = time_s - self.position_s
            self.jumps += 1
            return 0.0
        if gap_s <= JITTER_S:
            return 0.0
        self.position_s += gap_s
        return gap_s

    def advance(self, seconds: float) -> None:
        """Sound of this length comes next."""
        self.position_s += seconds


def _is_damaged(gap_s: float, step_s: float) -> bool:
    """Whether a timestamp that leaves such a gap is alone with it: the next, so many seconds on, takes it back."""
    if gap_s > JITTER_S:
        return step_s < -JITTER_S
    return gap_s < -RESTART_S and step_s > max(RESTART_S, -gap_s / 2)
