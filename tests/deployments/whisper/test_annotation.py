"""Segments that a classifier's deployment has scored on their way out of the replica."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from deployments.calls import Calls
from deployments.errors import DeadlineExceeded, ModelUnavailable, Overloaded
from deployments.whisper.annotation import SegmentClassifier
from deployments.whisper.types import Progress, Segment, TranscriptionEvent
from tests.serve_app.http.stub import segment

Answer = Callable[[list[str]], Awaitable[list[dict[str, float]]]]


class Call:
    """The response of a handle."""

    def __init__(self, work: Awaitable[Any]) -> None:
        self._task = asyncio.ensure_future(work)

    def __await__(self) -> Any:
        return self._task.__await__()

    def cancel(self) -> None:
        self._task.cancel()


def classifier(*answers: Answer | BaseException) -> tuple[SegmentClassifier, list[list[str]]]:
    """A classifier that answers each call as given, the last answer for ever; and the texts it was asked for."""
    asked: list[list[str]] = []

    async def answer(texts: list[str], deadline: float | None) -> list[dict[str, float]]:
        step = answers[min(len(asked), len(answers) - 1)]
        asked.append(texts)
        if isinstance(step, BaseException):
            raise step
        return await step(texts)

    handle = SimpleNamespace(label_texts=SimpleNamespace(remote=lambda *args: Call(answer(*args))))
    return SegmentClassifier(Calls(handle, "words")), asked


async def lengths(texts: list[str]) -> list[dict[str, float]]:
    return [{"length": float(len(text))} for text in texts]


EVENTS: list[TranscriptionEvent] = [
    segment(0, " one two", 0, 1),
    segment(1, "  ", 1, 2),
    segment(2, " three", 2, 3),
    Progress(3.0, 9.0),
]


async def test_every_segment_with_text_gets_its_own_scores() -> None:
    annotator, asked = classifier(lengths)
    events = await annotator.annotate(EVENTS, None)
    assert asked == [["one two", "three"]], "one call for all segments of a window"
    first, blank, third, progress = events
    assert isinstance(first, Segment)
    assert isinstance(third, Segment)
    assert (first.classification, third.classification) == ({"length": 7.0}, {"length": 5.0})
    assert [blank, progress] == [EVENTS[1], EVENTS[3]]


async def test_silence_asks_nobody() -> None:
    annotator, asked = classifier(lengths)
    assert await annotator.annotate([EVENTS[1], EVENTS[3]], None) == [EVENTS[1], EVENTS[3]]
    assert not asked


async def test_a_full_queue_is_waited_for() -> None:
    full = Overloaded("full", retry_after_s=0.01)
    annotator, asked = classifier(full, full, lengths)
    events = await annotator.annotate(EVENTS, time.time() + 60)
    assert isinstance(events[0], Segment)
    assert events[0].classification == {"length": 7.0}
    assert len(asked) == 3


async def test_no_longer_than_the_deadline() -> None:
    seconds, asked = classifier(Overloaded("full", retry_after_s=5))
    with pytest.raises(Overloaded):
        await seconds.annotate(EVENTS, time.time() + 1)
    assert len(asked) == 1


async def test_a_dead_replica_is_replaced() -> None:
    annotator, asked = classifier(ActorDiedError(), lengths)
    assert (await annotator.annotate(EVENTS, None))[3] == EVENTS[3]
    assert len(asked) == 2


async def test_what_cannot_be_classified_is_not_delivered() -> None:
    annotator, _ = classifier(ModelUnavailable("broken"))
    with pytest.raises(ModelUnavailable):
        await annotator.annotate(EVENTS, None)


async def test_deadline_of_the_request() -> None:
    async def never(texts: list[str]) -> list[dict[str, float]]:
        await asyncio.Event().wait()
        return []

    annotator, _ = classifier(never)
    with pytest.raises(DeadlineExceeded):
        await annotator.annotate(EVENTS, time.time() + 0.05)
