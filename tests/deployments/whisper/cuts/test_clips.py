"""Clips that overlap: groups, how much they ask for, reading them once, the order of what comes out."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import AudioTooLong
from deployments.whisper.cuts.audio_buffer import AudioBuffer
from deployments.whisper.cuts.clips import AskedOrder, ClipPart, ClipTotals, clip_parts, grouped, totals
from deployments.whisper.cuts.vad import Region
from deployments.whisper.types import Clip
from media.decode import SAMPLE_RATE

WINDOW = 10 * SAMPLE_RATE


def clips(*seconds: tuple[float, float | None]) -> list[Clip]:
    return [Clip(start=start, end=end) for start, end in seconds]


def audio(seconds: float, block: int = SAMPLE_RATE) -> AudioBuffer:
    samples = np.arange(round(seconds * SAMPLE_RATE), dtype=np.float32)
    return AudioBuffer(samples[start : start + block] for start in range(0, len(samples), block))


def parts_of(asked: list[Clip], seconds: float, limit_s: float = 1e9) -> Iterator[Region | ClipPart]:
    return (part for part in clip_parts(audio(seconds), WINDOW, asked, limit_s) if part is not None)


@pytest.mark.parametrize(
    ("asked", "groups"),
    [
        ([(0, 3), (1, 4)], [[0, 1]]),
        ([(1, 4), (0, 3)], [[0, 1]]),
        ([(0, 4), (2, 3)], [[0, 1]]),
        ([(0, 4), (0, 4)], [[0, 1]]),
        ([(0, 2), (2, 4)], [[0], [1]]),
        ([(8, 9), (5, 6), (0, 2)], [[2], [1], [0]]),
        ([(8, 9), (1, 3), (6, None), (0, 2)], [[1, 3], [0, 2]]),
        ([(0, 5), (4, 9), (8, 12), (12, 13)], [[0, 1, 2], [3]]),
        ([(3, 3.00001), (0, 1)], [[1]]),
    ],
)
def test_what_overlaps_is_a_group(asked: list[tuple[float, float | None]], groups: list[list[int]]) -> None:
    assert [[clip.number for clip in group] for group in grouped(clips(*asked))] == groups


@pytest.mark.parametrize(
    ("asked", "asked_s", "repeated_s"),
    [
        ([], 0, 0),
        ([(0, 30), (40, 45)], 35, 0),
        ([(0, 30), (20, 45)], 55, 10),
        ([(0, 1), (0, 1), (0, 1)], 30, 2),
        ([(0, None), (0, 1e6), (90, 200)], 210, 110),
        ([(500, 600), (550, 600)], 0, 0),
    ],
)
def test_how_much_is_asked_for(asked: list[tuple[float, float | None]], asked_s: float, repeated_s: float) -> None:
    assert totals(clips(*asked), 100.0) == ClipTotals(asked_s, repeated_s)


def test_a_file_that_does_not_tell_its_length_is_bounded_while_it_is_read() -> None:
    taken = []
    with pytest.raises(AudioTooLong, match="more than 120 s") as caught:
        taken.extend(parts_of(clips((0, None), (0, None), (0, None)), 100, limit_s=120))
    assert len(taken) == 12
    assert caught.value.param == "clip_timestamps"
    taken.clear()
    with pytest.raises(AudioTooLong):
        taken.extend(parts_of(clips(*[(0, 0.2)] * 10_000), 1, limit_s=1_000))
    assert len(taken) == 100


def test_long_clips_that_overlap_are_read_once_in_little_memory() -> None:
    buffer = audio(300)
    held = []
    for part in clip_parts(buffer, WINDOW, clips((0, None), (5, 290), (0, 300)), 1e9):
        held.append(sum(map(len, buffer._held)))
        if isinstance(part, ClipPart):
            assert buffer.cut(*part.region)[0] == part.region.start
    assert max(held) <= WINDOW + 2 * SAMPLE_RATE


CLIPS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30)), min_size=1, max_size=6)


@given(CLIPS, st.integers(1, 60), st.data())
def test_every_clip_of_a_group_is_heard_whole_and_answered_in_its_turn(
    asked: list[tuple[int, int]], length: int, data: Any
) -> None:
    wanted = clips(*[(start, start + size) for start, size in asked])
    order = AskedOrder[tuple[int | None, Region]](wanted)
    out = []
    for part in parts_of(wanted, length):
        if isinstance(part, Region):
            out += order.add(None, (None, part))
        else:
            for _ in range(data.draw(st.integers(0, 2))):  # windows of a span: none, if nothing is said in it
                out += order.add(part, (part.clip, part.region))
    out += order.rest()
    positions = [region.start / SAMPLE_RATE + offset for (_, region), offset in out]
    assert positions == pytest.approx(sorted(positions))
    numbers = {clip.number: group for group in grouped(wanted) for clip in group}
    for (one, before), (two, after) in itertools.pairwise(item for item, _ in out):
        if one is not None and two is not None and numbers[one] is numbers[two]:
            assert (one, before.start) <= (two, after.start)
        else:
            assert before.end <= after.start


@given(CLIPS, st.integers(1, 60))
def test_groups_are_read_whole(asked: list[tuple[int, int]], length: int) -> None:
    wanted = clips(*[(start, start + size) for start, size in asked])
    heard = dict.fromkeys(range(len(wanted)), 0)
    openings = 0
    for part in parts_of(wanted, length):
        if isinstance(part, ClipPart):
            assert 0 < part.region.end - part.region.start <= WINDOW
            heard[part.clip] += part.region.end - part.region.start
            openings += part.opening
    alone = [clip for group in grouped(wanted) if len(group) > 1 for clip in group]
    for clip in alone:
        assert heard[clip.number] == max(0, min(clip.end, length * SAMPLE_RATE) - clip.start)
    assert openings <= 1


def test_the_first_in_turn_does_not_wait_for_the_others() -> None:
    wanted = clips((0, 25), (0, 5), (30, 31))
    order = AskedOrder[str](wanted)
    steps = []
    for part in parts_of(wanted, 60):
        name = "packed" if isinstance(part, Region) else f"{part.clip} to {part.region.end // SAMPLE_RATE}"
        steps.append([item for item, _ in order.add(None if isinstance(part, Region) else part, name)])
    assert steps == [[], ["0 to 10"], ["0 to 20"], ["0 to 25"], ["1 to 5", "packed"]]
    assert list(order.rest()) == []
