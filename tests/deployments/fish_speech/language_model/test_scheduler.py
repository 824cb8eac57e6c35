"""The thread that turns the batcher, and those who wait for it."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from deployments.errors import InternalError
from deployments.fish_speech.language_model.batcher import Columns
from deployments.fish_speech.language_model.scheduler import FAILURES_IN_A_ROW, FrameScheduler
from tests.deployments.fish_speech.language_model.counting_engine import CountingEngine, segment


class SteppedEngine(CountingEngine):
    """Steps only when it is let."""

    def __init__(self, slots: int = 4) -> None:
        super().__init__(slots)
        self.let = threading.Semaphore(0)

    def step(self, rows: int) -> tuple[Columns, Sequence[bool]]:
        assert self.let.acquire(timeout=30)
        return super().step(rows)


@contextlib.asynccontextmanager
async def running(engine: CountingEngine) -> AsyncIterator[FrameScheduler]:
    scheduler = FrameScheduler(engine)
    try:
        yield scheduler
    finally:
        await scheduler.close()


async def frames(scheduler: FrameScheduler, seed: int, count: int) -> list[int]:
    numbers: list[int] = []
    async for chunk in scheduler.run(segment(seed, frames=count, first_chunk=2, chunk=8)):
        assert set(chunk.columns[0]) == {seed}
        numbers += chunk.columns[1].tolist()
    return numbers


async def test_everybody_gets_all_of_their_frames() -> None:
    async with running(CountingEngine(slots=3)) as scheduler:
        results = await asyncio.gather(*(frames(scheduler, seed, seed + 5) for seed in range(1, 30)))
        scheduler.check()
    assert results == [list(range(seed + 5)) for seed in range(1, 30)]


async def test_one_who_leaves_frees_the_row_before_the_next_frame_but_one() -> None:
    engine = SteppedEngine(slots=1)
    async with running(engine) as scheduler:
        first = scheduler.run(segment(1, frames=10_000, first_chunk=1, chunk=1))
        engine.let.release()
        await anext(first)
        await anext(first)
        steps = engine.steps
        second = asyncio.create_task(frames(scheduler, 2, 4))
        await asyncio.sleep(0)
        await first.aclose()
        for _ in range(10):
            engine.let.release()
        assert await second == [0, 1, 2, 3]
        ours = 3  # steps that the second one needed after its first frame
        assert engine.steps - steps <= 2 + ours


async def test_a_failing_step_is_told_and_many_of_them_make_it_unhealthy(caplog: pytest.LogCaptureFixture) -> None:
    async with running(CountingEngine(bad_steps=range(1, 100))) as scheduler:
        for number in range(FAILURES_IN_A_ROW):
            scheduler.check()
            with pytest.raises(InternalError) as failure:
                await frames(scheduler, 1, 5)
            assert isinstance(failure.value.__cause__, RuntimeError), number
        with pytest.raises(RuntimeError, match="steps failed"):
            scheduler.check()
    assert "bad step" in caplog.text


async def test_closing_tells_those_who_wait() -> None:
    engine = SteppedEngine()
    scheduler = FrameScheduler(engine)
    waiting = asyncio.create_task(frames(scheduler, 1, 1_000))
    while not scheduler.live:
        await asyncio.sleep(0)
    closing = asyncio.create_task(scheduler.close())
    await asyncio.sleep(0)  # it has begun
    engine.let.release(2)  # the one that may be running, and one more
    await closing
    with pytest.raises(InternalError):
        await waiting
    with pytest.raises(RuntimeError, match="has ended"):
        scheduler.check()
