"""Plain objects for handles of deployments, whose calls follow scripts, and a gateway to them."""

import itertools
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from deployments.calls import Calls
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
from serve_app.gateway.gateway import Gateway
from serve_app.gateway.model_index import ModelIndex

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
        sent = script(request, audio)
        for _ in range(count):
            yield await anext(sent)
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
