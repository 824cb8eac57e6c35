"""Threads for large work, work that goes on without its caller, and tasks that are cancelled."""

import asyncio
import threading

import pytest

from serve_app.concurrency import cancel, run_off_loop, shielded


@pytest.mark.parametrize("large", [False, True])
async def test_only_large_work_leaves_the_loop(large: bool) -> None:
    thread = await run_off_loop(threading.current_thread, large=large)
    assert (thread is threading.main_thread()) is not large


async def test_shielded_work_ends_although_its_caller_is_cancelled() -> None:
    go, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go.wait()
        ended.set()

    caller = asyncio.ensure_future(shielded(work()))
    await asyncio.sleep(0)
    await cancel(caller)
    assert caller.cancelled()
    go.set()
    await asyncio.wait_for(ended.wait(), 10)


async def test_the_result_and_the_failure_of_shielded_work() -> None:
    async def work(value: int) -> int:
        return 6 // value

    assert await shielded(work(2)) == 3
    with pytest.raises(ZeroDivisionError):
        await shielded(work(0))


async def test_cancelling_waits_for_the_end_whatever_it_is() -> None:
    ended: list[str] = []

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("ended")
            raise ValueError("no matter")

    tasks = [asyncio.ensure_future(stubborn()) for _ in range(2)]
    await asyncio.sleep(0)
    await cancel(*tasks)
    assert ended == ["ended", "ended"]
    assert all(task.done() for task in tasks)
