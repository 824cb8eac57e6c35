"""The gateway with plain objects for handles: routing, deadlines, retries, error mapping, cancellation."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray.exceptions import ActorDiedError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from deployments.calls import Calls
from deployments.errors import (
    AntiphonError,
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    ModelNotFound,
    ModelUnavailable,
    Overloaded,
)
from deployments.model_state import ModelState
from deployments.whisper.types import (
    Finished,
    Progress,
    Segment,
    Started,
    TranscriptionEvent,
    TranscriptionRequest,
)
from serve_app.config.app import AppConfig
from serve_app.fields.audio import Upload
from serve_app.gateway.gateway import Gateway
from serve_app.gateway.models import ModelIndex

Script = Callable[[TranscriptionRequest, Any], AsyncIterator[list[TranscriptionEvent]]]


class Call:
    """A response generator: an async iterator that can be cancelled."""

    def __init__(self, items: AsyncIterator[Any]) -> None:
        self._items = items
        self.cancelled = False
        self.failure: BaseException | None = None

    def __aiter__(self) -> "Call":
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._items)
        except (BackPressureError, DeploymentUnavailableError, ActorDiedError) as error:
            self.failure = error
            raise

    def cancel(self) -> None:
        """As Serve's does, it raises what kept the call from being assigned to a replica."""
        self.cancelled = True
        if self.failure is not None:
            raise self.failure


class FakeHandle:
    """A deployment handle whose calls follow scripts, one after the other; the last one repeats."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.calls: list[tuple[TranscriptionRequest, Any, Call]] = []
        self.transcribe = SimpleNamespace(remote=self._remote)

    def options(self, *, stream: bool) -> "FakeHandle":
        assert stream
        return self

    def _remote(self, request: TranscriptionRequest, audio: Any) -> Call:
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        call = Call(script(request, audio))
        self.calls.append((request, audio, call))
        return call


class FakeStates:
    def __init__(self, snapshot: Any) -> None:
        self.snapshot = SimpleNamespace(remote=snapshot)


CONFIG = AppConfig.model_validate(
    {
        "models": [
            {"id": "small", "aliases": ["org/Small"], "config": {"source": "samples/small"}},
            {"id": "large", "default": True, "config": {"source": "samples/large"}},
            {"id": "hub", "config": {"allow": ["org/*-ct2"], "load": "on_demand"}},
        ]
    }
)


def gateway(handle: FakeHandle, retries: int = 2, **options: Any) -> Gateway:
    async def snapshot() -> dict[str, list[ModelState]]:
        return {"small": [ModelState("loading"), ModelState("ready")], "large": [ModelState("failed")]}

    calls = {entry.id: Calls(handle, entry.id, retries) for entry in CONFIG.models}
    return Gateway(ModelIndex.of(CONFIG), calls, FakeStates(snapshot), **options)


def window(start: float, end: float) -> list[TranscriptionEvent]:
    """What a replica sends for a window: its segment, and how far it is."""
    return [
        Segment(7, 0, start, end, f" {start:g}-{end:g}", (), 0.0, 0.0, 1.0, 0.0, "en"),
        Progress(end, None),
    ]


def windows(*cuts: float) -> Script:
    """A replica that decodes windows between the cuts."""

    async def script(request: TranscriptionRequest, audio: Any) -> AsyncIterator[list[TranscriptionEvent]]:
        yield [Started("en", 1.0, None), *window(cuts[0], cuts[1])]
        for start, end in itertools.pairwise(cuts[1:]):
            yield window(start, end)
        yield [Finished("en", 1.0, cuts[-1], cuts[-1])]

    return script


numbers = windows(0, 1, 2, 3, 4, 5)
ALL = ["0-1", "1-2", "2-3", "3-4", "4-5"]


def dies_after(count: int, script: Script = numbers) -> Script:
    async def dying(request: TranscriptionRequest, audio: Any) -> AsyncIterator[list[TranscriptionEvent]]:
        parcels = script(request, audio)
        for _ in range(count):
            yield await anext(parcels)
        raise ActorDiedError()

    return dying


def fails_with(error: BaseException) -> Script:
    async def script(request: TranscriptionRequest, audio: Any) -> AsyncIterator[list[TranscriptionEvent]]:
        raise error
        yield []

    return script


async def run(gate: Gateway, **fields: Any) -> list[str]:
    """Texts of the segments, after a check that every other event came as it should."""
    events = [event async for event in gate.transcribe(TranscriptionRequest(**fields))]
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    assert sum(isinstance(event, Started | Finished) for event in events) == 2
    progress = [event.processed for event in events if isinstance(event, Progress)]
    assert progress == sorted(set(progress))
    segments = [event for event in events if isinstance(event, Segment)]
    assert [segment.id for segment in segments] == list(range(len(segments)))
    return [segment.text.strip() for segment in segments]


@pytest.mark.parametrize(
    ("name", "on_demand"),
    [
        ("small", None),
        ("org/Small", None),
        ("whisper-1", None),
        (None, None),
        ("org/tiny-ct2", "org/tiny-ct2"),
    ],
)
async def test_resolves_names(name: str | None, on_demand: str | None) -> None:
    handle = FakeHandle(numbers)
    assert await run(gateway(handle), model=name) == ALL
    assert handle.calls[0][0].model == on_demand


async def test_an_unknown_model_is_named_with_the_known_ones() -> None:
    with pytest.raises(ModelNotFound, match=r"'nobody'.*large.*small"):
        await run(gateway(FakeHandle(numbers)), model="nobody")


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


async def test_gives_up_after_the_configured_retries() -> None:
    handle = FakeHandle(dies_after(0))
    with pytest.raises(ModelUnavailable, match="3 times"):
        await run(gateway(handle))
    assert len(handle.calls) == 3


async def test_the_deadline_holds_and_stops_the_work() -> None:
    stopped = asyncio.Event()

    async def hangs(request: TranscriptionRequest, audio: Any) -> AsyncIterator[list[TranscriptionEvent]]:
        yield window(0, 1)
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    handle = FakeHandle(hangs)
    with pytest.raises(DeadlineExceeded):
        await run(gateway(handle, timeout_s=0.05))
    assert stopped.is_set()
    assert handle.calls[0][2].cancelled
    assert handle.calls[0][0].deadline is not None


async def test_a_client_may_shorten_the_deadline_but_not_lengthen_it() -> None:
    handle = FakeHandle(numbers)
    soon, late = time.time() + 5, time.time() + 1e6
    await run(gateway(handle, timeout_s=60), deadline=soon)
    await run(gateway(handle, timeout_s=60), deadline=late)
    assert handle.calls[0][0].deadline == soon
    assert abs((handle.calls[1][0].deadline or 0) - time.time() - 60) < 5


async def test_closing_the_iterator_cancels_the_replica() -> None:
    handle = FakeHandle(numbers)
    events = gateway(handle).transcribe(TranscriptionRequest())
    assert isinstance(await anext(events), Started)
    await events.aclose()  # type: ignore[attr-defined]
    assert handle.calls[0][2].cancelled


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (InvalidRequest("no", param="x"), InvalidRequest),
        (Overloaded("full", retry_after_s=3), Overloaded),
        (BackPressureError(5, 4), Overloaded),
        (DeploymentUnavailableError(SimpleNamespace(name="x")), ModelUnavailable),
        (RuntimeError("secret path /etc"), InternalError),
    ],
)
async def test_every_failure_becomes_one_of_the_tree(raised: BaseException, expected: type[AntiphonError]) -> None:
    with pytest.raises(expected) as caught:
        await run(gateway(FakeHandle(fails_with(raised))))
    assert "secret" not in str(caught.value)


async def test_an_error_that_crossed_a_process_border_is_unwrapped() -> None:
    cause = Overloaded("full", retry_after_s=7)
    wrapped = RayTaskError("transcribe", "traceback", cause).as_instanceof_cause()
    with pytest.raises(Overloaded) as caught:
        await run(gateway(FakeHandle(fails_with(wrapped))))
    assert caught.value.retry_after_s == 7
    assert type(caught.value) is Overloaded


async def test_states_show_the_most_telling_replica() -> None:
    states = await gateway(FakeHandle(numbers)).states()
    assert {name: state.phase for name, state in states.items()} == {
        "small": "ready",
        "large": "failed",
        "hub": "idle",
    }


async def test_states_survive_a_silent_board() -> None:
    gate = gateway(FakeHandle(numbers))

    async def broken() -> None:
        raise ActorDiedError()

    gate._states = FakeStates(broken)
    states = await gate.states()
    assert {name: state.phase for name, state in states.items()} == {
        "small": "starting",
        "large": "starting",
        "hub": "idle",
    }
