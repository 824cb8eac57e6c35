"""Streams of a transcription: uploads, another replica that goes on, the end of a caller."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deployments.whisper.types import (
    Finished,
    Progress,
    Segment,
    Started,
    TranscriptionEvent,
    TranscriptionRequest,
)
from serve_app.fields.audio import Upload
from tests.serve_app.gateway.replicas import (
    ALL,
    FakeHandle,
    Script,
    dies_after,
    gateway,
    numbers,
    run,
    window,
    windows,
)


def said(start: float, end: float, channel: int) -> Segment:
    segment, _ = window(start, end)
    assert isinstance(segment, Segment)
    return replace(segment, channel=channel)


async def test_uploads_go_through_the_object_store() -> None:
    handle = FakeHandle(numbers)
    gate = gateway(handle, put=lambda value: ("stored", value))
    data = np.arange(4, dtype=np.uint8)
    _ = [event async for event in gate.transcribe(TranscriptionRequest(), Upload(data))]
    assert handle.calls[0][1] == ("stored", data)


@pytest.mark.parametrize("deaths", [[0], [3], [0, 4], [5, 2], [6]])
async def test_a_dead_replica_is_not_noticed(deaths: list[int]) -> None:
    handle = FakeHandle(*(dies_after(count) for count in deaths), numbers)
    assert await run(gateway(handle)) == ALL
    assert len(handle.calls) == len(deaths) + 1
    assert [call.cancelled for _, _, call in handle.calls] == [True] * len(deaths) + [False]


async def test_windows_that_fall_differently_lose_and_repeat_nothing() -> None:
    """Attempt one ends at 20 s; attempt two has its windows elsewhere."""
    handle = FakeHandle(dies_after(3, windows(0, 4, 10, 20, 28)), windows(0, 10, 20, 24, 28))
    assert await run(gateway(handle)) == ["0-4", "4-10", "10-20", "20-24", "24-28"]
    handle = FakeHandle(dies_after(1, windows(0, 10, 20)), windows(0, 4, 10, 15, 20))
    assert await run(gateway(handle)) == ["0-10", "10-15", "15-20"]


async def test_clips_that_overlap_are_resumed_by_what_was_heard_not_by_time() -> None:
    """Two clips of the same four seconds: the second goes back in time."""

    def twice(cuts: list[float]) -> Script:
        async def script(request: TranscriptionRequest, audio: Any) -> AsyncIterator[list[TranscriptionEvent]]:
            yield [Started("en", 1.0, None)]
            for offset in (0.0, 4.0):
                for start, end in itertools.pairwise(cuts):
                    segment, _ = window(start, end)
                    assert isinstance(segment, Segment)
                    yield [replace(segment, position=start + offset), Progress(end + offset, None)]
            yield [Finished("en", 1.0, 4.0, 8.0)]

        return script

    handle = FakeHandle(dies_after(4, twice([0, 2, 4])), twice([0, 1, 4]))
    assert await run(gateway(handle)) == ["0-2", "2-4", "0-2", "1-4"]


async def test_channels_are_resumed_each_by_itself() -> None:
    """The first attempt ends when one channel is further than the other; a segment of the other begins earlier."""
    first = [
        [Started("en", 1.0, 20.0)],
        [said(0, 2, 0), said(1, 3, 1), said(5, 9, 1), Progress(2.0, 20.0, {0: 2.0, 1: 9.0})],
        [Progress(2.0, 20.0, {0: 2.0, 1: 9.5})],
    ]
    second = [
        [Started("en", 1.0, 20.0)],
        [said(0, 2, 0), said(1, 3, 1), said(4, 6, 0), said(5, 9, 1), Progress(6.0, 20.0, {0: 6.0, 1: 9.0})],
        [Finished("en", 1.0, 20.0, 10.0)],
    ]

    def plays(parcels: list[list[TranscriptionEvent]]) -> Script:
        async def script(request: TranscriptionRequest, audio: Any) -> AsyncIterator[list[TranscriptionEvent]]:
            for parcel in parcels:
                yield parcel

        return script

    handle = FakeHandle(dies_after(3, plays(first)), plays(second))
    events = [event async for event in gateway(handle).transcribe(TranscriptionRequest())]
    segments = [event for event in events if isinstance(event, Segment)]
    assert [(s.start, s.channel) for s in segments] == [(0, 0), (1, 1), (5, 1), (4, 0)]
    assert [s.id for s in segments] == [0, 1, 2, 3]
    assert [event.processed for event in events if isinstance(event, Progress)] == [2.0, 6.0]


async def test_closing_the_iterator_cancels_the_replica() -> None:
    handle = FakeHandle(numbers)
    events = gateway(handle).transcribe(TranscriptionRequest())
    assert isinstance(await anext(events), Started)
    await events.aclose()  # type: ignore[attr-defined]
    assert handle.calls[0][2].cancelled
