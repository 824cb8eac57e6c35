"""Stretches, the way back to the original audio, and the stretch that a text belongs to."""

import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.whisper.cuts.timeline import Clock, Timeline
from deployments.whisper.cuts.vad import Region
from media.decode import SAMPLE_RATE

MINUTE = 60 * SAMPLE_RATE


def pieces(*seconds: tuple[float, float]) -> list[Region]:
    return [Region(round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)) for start, end in seconds]


def sound(*parts: tuple[float, float]) -> NDArray[np.float32]:
    """Noise as (seconds, amplitude), with an offset that is no sound."""
    dice = np.random.default_rng(1)
    noises = [dice.normal(0.3, amplitude, round(length * SAMPLE_RATE)) for length, amplitude in parts]
    return np.concatenate(noises).astype(np.float32)


def test_times_lead_back_to_the_original_audio() -> None:
    timeline = Timeline(pieces((1, 2), (5, 6)))
    assert [timeline.original(seconds) for seconds in (0.5, 1.0, 1.5, 2.5)] == [1.5, 5.0, 5.5, 6.5]
    assert Clock(timeline).times(0, 0.5, 1.0) == (1.5, 2.0)
    assert Clock(timeline).times(1, 1.0, 1.5) == (5.0, 5.5)


def test_pieces_that_touch_are_one_stretch() -> None:
    touching = [Region(0, 16_000), Region(16_000, 24_000), Region(24_001, 32_000), Region(32_002, 40_000)]
    timeline = Timeline(touching)
    assert len(timeline.stretches) == 2
    assert timeline.spoken_in(0.2, 1.9) == (0,)
    assert Clock(timeline).times(0, 0.2, 1.9) == (0.2, 1.9)
    assert timeline.pieces == tuple(touching)


SPOKEN = [
    ("the start is decoded too early", (1.7, 3.4), (1,)),
    ("the end is decoded too late", (0.2, 2.31), (0,)),
    ("a short word, most of whose time is in the pause", (1.6, 2.9), (1,)),
    ("spoken on both sides", (0.5, 3.0), (0, 1)),
    ("past the end", (5.0, 6.0), (1,)),
    ("nothing between its times", (2.0, 2.0), (1,)),
]


@pytest.mark.parametrize(("times", "spoken"), [case[1:] for case in SPOKEN], ids=[case[0] for case in SPOKEN])
def test_a_text_belongs_where_it_is_heard(times: tuple[float, float], spoken: tuple[int, ...]) -> None:
    """Two seconds from the first minute, two from the second; speech ends at 1.5 s and begins at 2.3 s."""
    samples = sound((1.5, 0.1), (0.8, 0.001), (1.7, 0.1))
    timeline = Timeline([Region(0, 2 * SAMPLE_RATE), Region(MINUTE, MINUTE + 2 * SAMPLE_RATE)], samples)
    assert timeline.spoken_in(*times) == spoken


def test_a_word_over_a_seam_belongs_where_it_is_louder() -> None:
    regions = pieces((0, 2), (60, 62))
    late = Timeline(regions, sound((1.6, 0.1), (0.6, 0.001), (1.8, 0.1)))
    assert late.stretch(1.64, 2.32) == 1  # its middle is before the seam
    early = Timeline(regions, sound((1.8, 0.1), (0.6, 0.001), (1.6, 0.1)))
    assert early.stretch(1.6, 2.38) == 0
    assert early.stretch(0.5, 0.9, among=(1,)) == 1


def test_silence_belongs_where_most_of_its_time_is() -> None:
    timeline = Timeline(pieces((0, 2), (60, 62)), np.zeros(4 * SAMPLE_RATE, np.float32))
    assert timeline.stretch(1.0, 2.5) == 0
    assert timeline.stretch(1.9, 2.5) == 1


def test_texts_rise_even_past_the_end_of_a_stretch() -> None:
    timeline = Timeline(pieces((10, 11), (20, 20.01), (30, 31)))
    clock = Clock(timeline)
    assert clock.times(0, -0.3, 0.4) == (10.0, 10.4)
    assert clock.times(0, 0.2, 0.3) == (10.4, 10.42)
    assert clock.times(0, 0.9, 1.4) == (10.9, 11.0)
    assert clock.times(0, 1.2, 1.4) == (10.98, 11.0)
    assert clock.times(1, 0.9, 1.2) == (20.0, 20.01)
    assert clock.times(2, 1.0, 1.21) == (30.0, 30.2)
    assert clock.times(0, 0.1, 0.2) == (30.2, 30.22)
