"""Work in an event loop on another thread."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from deployments.errors import InvalidRequest
from serve_app.runpod_worker.loop_thread import LoopThread


async def test_items_come_from_another_loop_and_leaving_stops_them() -> None:
    ended = asyncio.Event()
    here = asyncio.get_running_loop()

    async def count() -> AsyncGenerator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
                if number == 50:
                    raise InvalidRequest("no more")
        finally:
            await asyncio.sleep(0.01)
            here.call_soon_threadsafe(ended.set)

    background = LoopThread("test")
    try:
        found: list[int] = []

        async def read() -> None:
            async for number in background.relay(count):
                found.append(number)  # noqa: PERF401 - what came before the error counts

        with pytest.raises(InvalidRequest, match="no more"):
            await read()
        assert found == list(range(50))
        ended.clear()
        items = background.relay(count)
        assert await anext(items) == 0
        await items.aclose()
        async with asyncio.timeout(5):
            await ended.wait()
    finally:
        background.close()
    background.close()
