"""Loaded models by name: each loaded once, kept while in use, unloaded when idle or when room is needed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Model = TypeVar("Model")


@dataclass(slots=True)
class _Slot(Generic[Model]):
    loading: asyncio.Task[Model]
    users: int = 0
    timer: asyncio.TimerHandle | None = None


class ModelPool(Generic[Model]):
    """At most ``max_loaded`` models. A model that is in use is never unloaded; when all are in use, the next
    name waits. A load that fails fails the requests that waited for it, and is tried again by later ones.
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
        self._changed = asyncio.Condition()

    @property
    def loaded(self) -> dict[str, Model]:
        """Models that are loaded now."""
        return {
            name: slot.loading.result()
            for name, slot in self._slots.items()
            if slot.loading.done() and not slot.loading.cancelled() and slot.loading.exception() is None
        }

    @contextlib.asynccontextmanager
    async def use(self, name: str) -> AsyncIterator[Model]:
        """The model, loaded if need be, and kept for the time of the block."""
        slot = await self._claim(name)
        try:
            yield await asyncio.shield(slot.loading)
        except BaseException:
            if slot.loading.done() and (slot.loading.cancelled() or slot.loading.exception()):
                self._slots.pop(name, None)
            raise
        finally:
            slot.users -= 1
            if slot.users == 0 and self._idle_s is not None and name in self._slots:
                loop = asyncio.get_running_loop()
                slot.timer = loop.call_later(self._idle_s, lambda: loop.create_task(self._drop_idle(name)))
            async with self._changed:
                self._changed.notify_all()

    async def close(self) -> None:
        """Unload everything."""
        slots, self._slots = self._slots, {}
        for slot in slots.values():
            await self._release(slot)

    async def _claim(self, name: str) -> _Slot[Model]:
        async with self._changed:
            while name not in self._slots and len(self._slots) >= self._max_loaded:
                idle = next((n for n, slot in self._slots.items() if slot.users == 0), None)
                if idle is None:
                    await self._changed.wait()
                else:
                    await self._release(self._slots.pop(idle))
            slot = self._slots.pop(name, None) or _Slot(asyncio.ensure_future(self._load(name)))
            self._slots[name] = slot
            slot.users += 1
            if slot.timer is not None:
                slot.timer.cancel()
                slot.timer = None
            return slot

    async def _drop_idle(self, name: str) -> None:
        async with self._changed:
            slot = self._slots.get(name)
            if slot is not None and slot.users == 0:
                del self._slots[name]
                await self._release(slot)
                self._changed.notify_all()

    async def _release(self, slot: _Slot[Model]) -> None:
        if slot.timer is not None:
            slot.timer.cancel()
        slot.loading.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._unload(await slot.loading)
