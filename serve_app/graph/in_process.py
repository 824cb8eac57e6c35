"""The graph's replicas as plain objects in this process: ready as soon as their models are, but nothing is
restarted and nothing apart. Serve's own local testing mode would do it with a waiting thread for every open
stream, and it has a handful of them.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from typing import Any, Protocol

from deployments.calls import Calls
from deployments.fish_speech.deployment import FishSpeechReplica
from deployments.handle import Handle
from deployments.states import StateBoard
from deployments.text_classification.deployment import TextClassificationReplica
from deployments.whisper.deployment import WhisperReplica
from media.fetch import FetchPolicy
from serve_app.config.app import AnyEntry, AppConfig, FishSpeechEntry, TextClassificationEntry, WhisperEntry
from serve_app.failures import StartFailed
from serve_app.gateway.gateway import Gateway
from serve_app.graph.connect import make_gateway


class Replica(Protocol):
    """What every family's replica has."""

    async def start(self) -> None:
        """Load the model. Raises ModelUnavailable."""

    async def close(self) -> None:
        """Unload it."""


class InProcess:
    """The models of a configuration in the event loop that uses them. ``deployments:`` options do not apply."""

    def __init__(self, config: AppConfig) -> None:
        self._config = config
        self._replicas: dict[str, Replica] = {}

    async def start(self) -> Gateway:
        """The gateway to the replicas, which are not ready yet."""
        states, handles = LocalHandle(StateBoard()), dict[str, Handle]()
        for entry in sorted(self._config.models, key=lambda entry: entry.task != "classification"):
            self._replicas[entry.id] = self._replica(entry, states, handles)  # others may use a classifier
            handles[entry.id] = LocalHandle(self._replicas[entry.id])
        return make_gateway(self._config, handles, states)

    async def ready(self) -> None:
        """Load the models, at the same time. Raises StartFailed."""
        ends = await asyncio.gather(
            *(replica.start() for replica in self._replicas.values()), return_exceptions=True
        )
        failed = [error for error in ends if error is not None]
        if failed:
            reasons = "; ".join(str(error) for error in failed)
            raise StartFailed(f"Antiphon could not start a model. {reasons}") from failed[0]

    async def lost(self) -> None:
        """Never returns: what is in this process does not go away."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Unload everything."""
        for replica in self._replicas.values():
            await replica.close()

    def _replica(self, entry: AnyEntry, states: "LocalHandle", handles: Mapping[str, Handle]) -> Replica:
        match entry:
            case TextClassificationEntry():
                needed = tuple(entry.moderation.categories or ())
                return TextClassificationReplica(entry.id, entry.config, states, needed)
            case WhisperEntry():
                fetching = FetchPolicy(**self._config.fetch.model_dump())
                return WhisperReplica(entry.id, entry.config, fetching, states, _calls(entry.classifier, handles))
            case FishSpeechEntry():
                classifier = _calls(entry.classifier, handles)
                return FishSpeechReplica(entry.id, entry.config, states, classifier, entry.refuse)


class LocalHandle:
    """A deployment handle to an object in this event loop."""

    def __init__(self, target: Any, *, stream: bool = False) -> None:
        self._target, self._stream = target, stream

    def options(self, *, stream: bool) -> "LocalHandle":
        """A handle whose calls return async generators."""
        return LocalHandle(self._target, stream=stream)

    def __getattr__(self, method: str) -> Any:
        return _Method(getattr(self._target, method), self._stream)


class _Method:
    def __init__(self, method: Any, stream: bool) -> None:
        self._method, self._stream = method, stream

    def remote(self, *args: Any) -> Any:
        return _Items(self._method(*args)) if self._stream else _Answer(self._method(*args))


class _Answer:
    """A call that runs at once, and that can be cancelled."""

    def __init__(self, work: Any) -> None:
        self._task = asyncio.ensure_future(work)

    def __await__(self) -> Generator[Any, None, Any]:
        return (yield from self._task.__await__())

    def cancel(self) -> None:
        self._task.cancel()


class _Items(AsyncIterator[Any]):
    """A generator that is closed at once when the caller leaves."""

    def __init__(self, items: AsyncGenerator[Any]) -> None:
        self._items = items

    async def __anext__(self) -> Any:
        return await anext(self._items)

    async def aclose(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is running, and ends with the task that runs it
            await self._items.aclose()

    def cancel(self) -> None:
        """Nothing is left to be done: ``until`` has closed it."""


def _calls(name: str | None, handles: Mapping[str, Handle]) -> Calls | None:
    return None if name is None else Calls(handles[name], name)
