"""Loaded models by name: each loaded once, kept while in use, unloaded when idle or when room is needed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Model = TypeVar("Model")


@dataclass(slots=True, eq=False)
class _Slot(Generic[Model]):
    loading: asyncio.Task[Model]
    users: int = 0
    timer: asyncio.TimerHandle | None = None


class ModelPool(Generic[Model]):
    """At most ``max_loaded`` models. A model that is in use is never unloaded; when all are in use, the next
    name waits. A load that fails fails the requests that wait for it, and later ones try again.

    All state changes happen between two awaits of one event loop, so there is no lock to hold across a load.
    """

    def __init__(
        self,
        load: Callable[[str], Awaitable[Model]],
        unload: Callable[[Model], Awaitable[None]],
        *,
        max_loaded: int = 1,
        idle_s: float | None = None,
    ) -> None:
        self._load, self._unload = load, unload
        self._max_loaded = max_loaded
        self._idle_s = idle_s
        self._slots: dict[str, _Slot[Model]] = {}  # least recently used first
        self._unloading: set[asyncio.Task[None]] = set()
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def loaded(self) -> dict[str, Model]:
        """Models that are loaded now."""
        return {name: slot.loading.result() for name, slot in self._slots.items() if _succeeded(slot.loading)}

    @contextlib.asynccontextmanager
    async def use(self, name: str) -> AsyncIterator[Model]:
        """The model, loaded if need be, and kept for the time of the block."""
        slot = await self._claim(name)
        try:
            yield await asyncio.shield(slot.loading)
        finally:
            slot.users -= 1
            if slot.users == 0 and self._idle_s is not None and self._slots.get(name) is slot:
                loop = asyncio.get_running_loop()
                slot.timer = loop.call_later(self._idle_s, self._drop_idle, name, slot)
            self._wake()

    async def close(self) -> None:
        """Unload everything; loads under way are given up."""
        for name, slot in list(self._slots.items()):
            slot.loading.cancel()
            self._drop(name, slot)
        await asyncio.gather(*self._unloading, return_exceptions=True)

    async def _claim(self, name: str) -> _Slot[Model]:
        while name not in self._slots and not self._has_room():
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            await place
        slot = self._slots.pop(name, None)
        if slot is None:
            slot = _Slot(asyncio.ensure_future(_run(self._load(name))))
            slot.loading.add_done_callback(lambda _: self._forget_failed(name, slot))
        self._slots[name] = slot
        slot.users += 1
        if slot.timer is not None:
            slot.timer.cancel()
            slot.timer = None
        return slot

    def _has_room(self) -> bool:
        """Whether one more model fits; begins to unload the least recently used idle one if that makes room."""
        if len(self._slots) + len(self._unloading) < self._max_loaded:
            return True
        if not self._unloading:
            idle = next(((name, slot) for name, slot in self._slots.items() if slot.users == 0), None)
            if idle is not None:
                self._drop(*idle)
        return False

    def _drop_idle(self, name: str, slot: _Slot[Model]) -> None:
        if slot.users == 0 and self._slots.get(name) is slot:
            self._drop(name, slot)

    def _drop(self, name: str, slot: _Slot[Model]) -> None:
        """Take a slot out and unload its model in a task of its own, which nobody's leaving interrupts."""
        del self._slots[name]
        if slot.timer is not None:
            slot.timer.cancel()
        task = asyncio.ensure_future(self._release(slot))
        self._unloading.add(task)
        task.add_done_callback(self._unloaded)

    async def _release(self, slot: _Slot[Model]) -> None:
        await asyncio.wait([slot.loading])
        if _succeeded(slot.loading):
            await self._unload(slot.loading.result())

    def _unloaded(self, task: asyncio.Task[None]) -> None:
        self._unloading.discard(task)
        self._wake()

    def _forget_failed(self, name: str, slot: _Slot[Model]) -> None:
        if not _succeeded(slot.loading) and self._slots.get(name) is slot:
            del self._slots[name]
            self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for place in waiting:
            if not place.done():
                place.set_result(None)


async def _run(awaitable: Awaitable[Model]) -> Model:
    return await awaitable


def _succeeded(task: asyncio.Task[Any]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
