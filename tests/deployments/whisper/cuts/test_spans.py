"""Packing, clips, streaming windows, and the way back to times of the original audio."""

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deployments.whisper.cuts.audio_buffer import AudioBuffer
from deployments.whisper.cuts.spans import StreamSpan, spans
from deployments.whisper.cuts.timeline import Timeline
from deployments.whisper.types import Clip, VadOptions
from media.decode import SAMPLE_RATE

Samples = NDArray[np.float32]


def ramp(seconds: float) -> Samples:
    """Every sample tells its own position."""
    return np.arange(round(seconds * SAMPLE_RATE), dtype=np.float32)


def blocks(samples: Samples, size: int) -> Iterator[Samples]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


@given(
    st.integers(1, 60),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 25)), min_size=1, max_size=8),
    st.integers(2, 20),
    st.integers(500, 40_000),
)
def test_clips_are_packed_whole_and_in_order(
    length: int, wanted: list[tuple[int, int]], window: int, block: int
) -> None:
    clips, position = [], 0
    for gap, size in wanted:
        clips.append(Clip(start=position + gap, end=position + gap + size))
        position += gap + size
    audio = ramp(length)
    steps = spans(AudioBuffer(blocks(audio, block)), window * SAMPLE_RATE, None, clips)
    whole = [span for span in steps if span is not None]
    got = []
    for span in whole:
        samples = span.window(0, window * SAMPLE_RATE)
        assert 0 < len(samples) <= window * SAMPLE_RATE
        assert sum(piece.end - piece.start for piece in span.timeline.pieces) == len(samples)
        got.append(samples)
        for piece, second in zip(span.timeline.pieces, _starts(span.timeline), strict=True):
            assert samples[second] == piece.start
    expected = np.concatenate([audio[int(c.start * SAMPLE_RATE) : int((c.end or 0) * SAMPLE_RATE)] for c in clips])
    assert np.array_equal(np.concatenate([np.empty(0, np.float32), *got]), expected)


def _starts(timeline: Timeline) -> list[int]:
    lengths = [piece.end - piece.start for piece in timeline.pieces]
    return [sum(lengths[:i]) for i in range(len(lengths))]


def test_an_open_clip_runs_to_the_end() -> None:
    steps = spans(AudioBuffer(blocks(ramp(70), 16_000)), 30 * SAMPLE_RATE, None, [Clip(start=5)])
    whole = [span for span in steps if span is not None]
    assert [len(span.window(0, 10**9)) / SAMPLE_RATE for span in whole] == [30, 30, 5]


def test_a_stream_is_read_as_needed_and_forgotten_behind() -> None:
    taken = 0

    def source() -> Iterator[Samples]:
        nonlocal taken
        for block in blocks(ramp(1_000), SAMPLE_RATE):
            taken += 1
            yield block

    buffer = AudioBuffer(source())
    span = StreamSpan(buffer)
    assert span.window(0, 30 * SAMPLE_RATE)[-1] == 30 * SAMPLE_RATE - 1
    assert taken == 30
    for second in range(0, 900, 7):
        window = span.window(second * SAMPLE_RATE, 30 * SAMPLE_RATE)
        assert window[0] == second * SAMPLE_RATE
        assert sum(map(len, buffer._held)) <= 32 * SAMPLE_RATE
    assert len(span.window(995 * SAMPLE_RATE, 30 * SAMPLE_RATE)) == 5 * SAMPLE_RATE
    assert len(span.window(1_001 * SAMPLE_RATE, 30 * SAMPLE_RATE)) == 0


def test_clips_that_overlap_have_spans_of_their_own() -> None:
    clips = [Clip(start=1, end=2), Clip(start=4, end=7), Clip(start=3, end=5), Clip(start=8, end=9)]
    steps = spans(AudioBuffer(blocks(ramp(20), 16_000)), 30 * SAMPLE_RATE, None, clips)
    whole = [span for span in steps if span is not None]
    heard = [[(p.start / SAMPLE_RATE, p.end / SAMPLE_RATE) for p in span.timeline.pieces] for span in whole]
    assert heard == [[(1, 2)], [(3, 5)], [(4, 7)], [(8, 9)]]
    assert [span.part and span.part.clip for span in whole] == [None, 2, 1, None]
    assert all(span.closed for span in whole)


def test_a_long_silence_is_read_in_short_steps() -> None:
    silence = np.zeros(60 * SAMPLE_RATE, np.float32)
    buffer = AudioBuffer(blocks(silence, SAMPLE_RATE))
    read = []
    for span in spans(buffer, 30 * SAMPLE_RATE, VadOptions()):
        assert span is None
        read.append(buffer.end)
    assert read == [second * SAMPLE_RATE for second in range(1, 61)]
