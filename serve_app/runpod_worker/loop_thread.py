"""An event loop on a thread of its own, so that models and webhooks outlive the loops that RunPod's SDK starts."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
Future = concurrent.futures.Future

AHEAD = 16  # items that wait for whoever reads them
CLOSE_S = 10.0  # for the work to end that nobody reads any more
_END: Any = object()


class LoopThread:
    """The loop. Its methods are called from other threads."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start some work there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def relay(self, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        """The items of a generator that runs there, for a caller in another loop.

        Leaving stops the generator and waits for its end.
        """
        queue: asyncio.Queue[Any] = asyncio.Queue(AHEAD)

        async def feed() -> None:
            try:
                async with contextlib.aclosing(source()) as items:
                    async for item in items:
                        await queue.put(item)
            except Exception as error:
                await queue.put(_Raised(error))
            else:
                await queue.put(_END)

        async def take() -> list[Any]:
            ready = [await queue.get()]
            while not queue.empty():
                ready.append(queue.get_nowait())
            return ready

        task = _RemoteTask(self._loop, feed())
        try:
            while True:
                for item in await asyncio.wrap_future(self.submit(take())):
                    if item is _END:
                        return
                    if isinstance(item, _Raised):
                        raise item.error
                    yield item
        finally:
            await task.stop()

    def close(self) -> None:
        """End the loop, and with it whatever still runs there."""
        if self._loop.is_closed():
            return
        with contextlib.suppress(concurrent.futures.TimeoutError):
            self.submit(_cancel_all()).result(CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_S)
        if not self._thread.is_alive():
            self._loop.close()


class _Raised:
    def __init__(self, error: Exception) -> None:
        self.error = error


class _RemoteTask:
    """A task of another loop, of which the end can be awaited even if it is stopped before it began."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
        self._loop = loop
        self._task: asyncio.Task[None] | None = None
        self._ended: Future[None] = Future()
        loop.call_soon_threadsafe(self._begin, work)

    async def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._cancel)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await asyncio.wrap_future(self._ended)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = self._loop.create_task(work)
        self._task.add_done_callback(self._end)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _end(self, task: asyncio.Task[None]) -> None:
        if not self._ended.done():  # whoever waited may have given up
            self._ended.set_result(None)


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
