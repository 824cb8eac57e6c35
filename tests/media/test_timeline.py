"""Timestamps and the silence between them, without a file."""

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.timeline import JITTER_S, LONGEST_GAP_S, RESTART_S, Timeline

FRAME_S = 0.02
GAPS = st.one_of(st.just(0.0), st.floats(0.2, LONGEST_GAP_S - 1))
ANYTHING = st.one_of(st.none(), st.floats(), st.floats(-1e5, 1e5), st.integers(-(2**63), 2**63 - 1).map(float))


def heard(timeline: Timeline, times: Iterable[float | None], frame_s: float = FRAME_S) -> list[float]:
    """The silence before each of the frames with these timestamps."""
    times = list(times)
    silences = []
    for time, following in zip(times, [*times, None][1:], strict=True):
        silences.append(timeline.silence_before(time, following))
        timeline.advance(frame_s)
    return silences


@given(
    st.floats(-1e6, 1e6),
    st.lists(st.tuples(GAPS, st.integers(1, 20)), min_size=1, max_size=8),
    st.floats(0, JITTER_S / 3),
    st.randoms(use_true_random=False),
)
def test_gaps_are_silence_and_jitter_is_none(
    origin: float, stretches: list[tuple[float, int]], jitter: float, random: object
) -> None:
    """Random gaps (the first is the track's start) and stretches of frames, whose timestamps jitter."""
    times, true = [], 0.0
    for gap, frames in stretches:
        true += gap
        for _ in range(frames):
            times.append(origin + true + random.uniform(-jitter, jitter))  # type: ignore[attr-defined]
            true += FRAME_S
    timeline = Timeline(origin)
    silences = heard(timeline, times)
    assert sum(silences) == pytest.approx(sum(gap for gap, _ in stretches), abs=JITTER_S)
    assert sum(silence > 0 for silence in silences) == sum(gap > 0 for gap, _ in stretches)
    assert timeline.position_s == pytest.approx(true, abs=JITTER_S)
    assert timeline.jumps == 0


@given(
    ANYTHING.filter(lambda x: x is not None),
    st.lists(ANYTHING, max_size=40),
    st.one_of(st.none(), st.floats(0, 1e5)),
)
def test_whatever_the_timestamps_are_silence_is_bounded(
    origin: float, times: list[float | None], end_s: float | None
) -> None:
    timeline = Timeline(origin, end_s)
    silences = heard(timeline, times)
    assert all(0 <= silence <= max(LONGEST_GAP_S, (end_s or 0) + RESTART_S) for silence in silences)
    assert math.isfinite(timeline.position_s)
    assert timeline.position_s == pytest.approx(sum(silences) + FRAME_S * len(times))


@given(st.floats(0.2, 3_000), st.floats(RESTART_S + 0.1, 1e6))
def test_what_falls_back_goes_on_without_a_gap(first: float, back: float) -> None:
    timeline = Timeline(0.0)
    times = [first, first + FRAME_S, first + 2 * FRAME_S - back, first + 3 * FRAME_S - back]
    assert heard(timeline, times) == [pytest.approx(first), 0.0, 0.0, 0.0]
    assert timeline.jumps == 1


def test_drift_costs_no_more_than_jitter() -> None:
    """A sound card that is a thousandth slow, for an hour."""
    timeline = Timeline(0.0)
    heard(timeline, (index * FRAME_S * 1.001 for index in range(180_000)))
    assert timeline.position_s == pytest.approx(3_603.6, abs=JITTER_S + FRAME_S)


@pytest.mark.parametrize("damaged", [1_800.0, 1e9, 998.0, 0.0, -1e9])
def test_a_single_timestamp_that_is_damaged_changes_nothing(damaged: float) -> None:
    times = [1_000 + index * FRAME_S for index in range(100)]
    times[50] = damaged
    assert heard(Timeline(1_000.0), times) == [pytest.approx(0.0)] * 100


@pytest.mark.parametrize(("end_s", "silence", "jumps"), [(None, 0.0, 1), (7_198.0, 0.0, 1), (7_201.0, 7_200.0, 0)])
def test_more_than_an_hour_is_believed_only_of_a_medium_that_says_it_is_as_long(
    end_s: float | None, silence: float, jumps: int
) -> None:
    timeline = Timeline(0.0, end_s and end_s + FRAME_S)
    assert heard(timeline, [0.0, 7_200.0 + FRAME_S, 7_200.0 + 2 * FRAME_S])[1] == silence
    assert timeline.jumps == jumps


def test_sound_from_before_the_start_moves_the_start() -> None:
    timeline = Timeline(10.0)
    assert heard(timeline, [9.5, 9.5 + FRAME_S, 12.5]) == [0.0, 0.0, pytest.approx(3.0 - 2 * FRAME_S)]
