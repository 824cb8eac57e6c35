"""The graph's replicas as plain objects in this process: ready as soon as their models are, but nothing is
restarted or isolated. Serve's own local testing mode needs a waiting thread for every open stream, and has only
a handful of threads.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from types import TracebackType
from typing import Any

from deployments.calls import Calls
from deployments.handle import Handle
from deployments.replica import Replica
from deployments.states import StateBoard
from serve_app.config.app import AppConfig
from serve_app.config.models import AnyEntry
from serve_app.failures import StartFailed
from serve_app.gateway.gateway import Gateway
from serve_app.graph.connect import make_gateway
from serve_app.graph.families import classifiers_first, family_of


class InProcess:
    """The models of a configuration in the event loop that uses them. ``deployments:`` options do not apply.

    ``async with InProcess(config) as gateway`` loads the models, gives the same gateway as on a server, and at the
    end unloads them. For one model, with the classifier that it names, use ``config.only(entry)``. ``states`` gets
    the models' states; a subclass of ``StateBoard`` may show them. ``timed`` False gives requests all the time
    that they need; other limits are settings of the models. ``raw_errors``: as for ``Calls``.
    """

    def __init__(
        self,
        config: AppConfig,
        states: StateBoard | None = None,
        *,
        timed: bool = True,
        raw_errors: bool = False,
    ) -> None:
        self._config, self._timed, self._raw_errors = config, timed, raw_errors
        self._states = states or StateBoard()
        self._replicas: dict[str, Replica[Any, Any]] = {}

    async def __aenter__(self) -> Gateway:
        """The gateway, once the models are loaded. Raises what the first one to fail raises, mostly
        ModelUnavailable; the others are then given up, and nothing is left loaded.
        """
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self.close)
            gateway = await self.start()
            loads = [asyncio.create_task(replica.start()) for replica in self._replicas.values()]
            try:
                await asyncio.gather(*loads)
            finally:
                for load in loads:
                    load.cancel()
                await asyncio.gather(*loads, return_exceptions=True)
            stack.pop_all()
        return gateway

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> Gateway:
        """The gateway to the replicas, which are not ready yet."""
        states, handles = LocalHandle(self._states), dict[str, Handle]()
        for entry in classifiers_first(self._config.models):
            self._replicas[entry.id] = self._replica(entry, states, handles)
            handles[entry.id] = LocalHandle(self._replicas[entry.id])
        return make_gateway(self._config, handles, states, timed=self._timed, raw_errors=self._raw_errors)

    async def ready(self) -> None:
        """Load the models, at the same time. Raises StartFailed."""
        ends = await asyncio.gather(
            *(replica.start() for replica in self._replicas.values()), return_exceptions=True
        )
        if failures := [error for error in ends if error is not None]:
            reasons = "; ".join(str(error) for error in failures)
            raise StartFailed(f"Antiphon could not start a model. {reasons}") from failures[0]

    async def lost(self) -> None:
        """Never returns: what is in this process does not go away."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Unload everything, classifiers last, whatever one of the models raises."""
        async with contextlib.AsyncExitStack() as stack:
            for replica in self._replicas.values():
                stack.push_async_callback(replica.close)

    def _replica(self, entry: AnyEntry, states: "LocalHandle", handles: Mapping[str, Handle]) -> Replica[Any, Any]:
        family = family_of(entry, self._config)
        arguments = {"states": states, **family.arguments}
        if family.classifier is not None:
            handle = handles[family.classifier]
            arguments["classifier"] = Calls(handle, family.classifier, raw_errors=self._raw_errors)
        return family.replica(entry.id, entry.config, **arguments)


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
