"""The scheduler under random arrivals, sizes, keys, failures and cancellations."""

import asyncio
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.batching.scheduler import Scheduler
from deployments.errors import InternalError


@dataclass(frozen=True)
class FakeJob:
    value: int
    key: str = "k"
    fails: bool = False


class Engine:
    """Answers each job with its own value; remembers the batches. ``gate`` holds it back."""

    def __init__(self) -> None:
        self.batches: list[list[FakeJob]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()

    def run(self, jobs: Sequence[Any]) -> list[Any]:
        with self._lock:
            self.batches.append(list(jobs))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            assert self.gate.wait(10)
            if any(job.fails for job in jobs):
                raise RuntimeError("bad window")
            return [job.value * 2 for job in jobs]
        finally:
            with self._lock:
                self.at_once -= 1


requests = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from("xyz"), st.booleans()), max_size=12),
        st.sampled_from(["stays", "stays", "leaves"]),
    ),
    max_size=8,
)


@given(requests, st.integers(1, 3), st.integers(1, 5), st.integers(0, 1_000))
def test_every_job_gets_its_own_answer(
    plan: list[tuple[list[tuple[str, bool]], str]], workers: int, max_batch: int, seed: int
) -> None:
    dice = random.Random(seed)

    async def scenario() -> None:
        engine = Engine()
        scheduler = Scheduler(engine, workers=workers, max_batch=max_batch, max_wait_s=dice.choice([0, 0.001]))

        async def request(number: int, jobs: list[tuple[str, bool]]) -> list[Any]:
            owner = object()
            with scheduler.request(owner):
                await asyncio.sleep(dice.random() * 0.002)
                waits = [
                    scheduler.run(owner, FakeJob(number * 100 + i, key, fails=fails and i % 4 == 3))
                    for i, (key, fails) in enumerate(jobs)
                ]
                return await asyncio.gather(*waits, return_exceptions=True)

        tasks = [asyncio.create_task(request(number, jobs)) for number, (jobs, _) in enumerate(plan)]
        await asyncio.sleep(dice.random() * 0.002)
        for task, (_, fate) in zip(tasks, plan, strict=True):
            if fate == "leaves":
                task.cancel()
        async with asyncio.timeout(10):
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for number, ((jobs, _), result) in enumerate(zip(plan, results, strict=True)):
            if isinstance(result, asyncio.CancelledError):
                continue
            assert isinstance(result, list)
            for i, ((_, fails), answer) in enumerate(zip(jobs, result, strict=True)):
                if fails and i % 4 == 3:
                    assert isinstance(answer, InternalError)
                else:
                    assert answer == (number * 100 + i) * 2
        scheduler.check()
        await scheduler.close()
        assert all(len(batch) <= max_batch for batch in engine.batches)
        assert all(len({job.key for job in batch}) == 1 for batch in engine.batches)
        assert engine.most_at_once <= workers

    asyncio.run(scenario())


async def settled(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_windows_of_different_requests_share_a_batch() -> None:
    engine = Engine()
    scheduler = Scheduler(engine, workers=1, max_batch=8, max_wait_s=0)
    engine.gate.clear()
    owners = [object() for _ in range(5)]

    async def request(owner: object, value: int) -> Any:
        with scheduler.request(owner):
            return await scheduler.run(owner, FakeJob(value))

    first = asyncio.create_task(request(object(), 0))
    await settled(lambda: engine.batches)
    rest = [asyncio.create_task(request(owner, i + 1)) for i, owner in enumerate(owners)]
    await asyncio.sleep(0.01)
    engine.gate.set()
    assert await asyncio.gather(first, *rest) == [0, 2, 4, 6, 8, 10]
    assert [len(batch) for batch in engine.batches] == [1, 5]
    await scheduler.close()


async def test_leaving_frees_the_place_within_one_batch() -> None:
    engine = Engine()
    scheduler = Scheduler(engine, workers=1, max_batch=1, max_wait_s=0)
    engine.gate.clear()

    async def greedy() -> None:
        owner = object()
        with scheduler.request(owner):
            await asyncio.gather(*(scheduler.run(owner, FakeJob(i)) for i in range(50)))

    task = asyncio.create_task(greedy())
    await settled(lambda: engine.batches)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    engine.gate.set()
    with scheduler.request("other"):
        assert await scheduler.run("other", FakeJob(7)) == 14
    assert len(engine.batches) == 2
    await scheduler.close()


async def test_one_bad_window_fails_only_its_own_request() -> None:
    engine = Engine()
    scheduler = Scheduler(engine, workers=1, max_batch=4, max_wait_s=0)
    engine.gate.clear()
    with scheduler.request("blocker"), scheduler.request("good"), scheduler.request("bad"):
        blocker = asyncio.create_task(scheduler.run("blocker", FakeJob(1)))
        await settled(lambda: engine.batches)
        good = asyncio.create_task(scheduler.run("good", FakeJob(2)))
        bad = asyncio.create_task(scheduler.run("bad", FakeJob(3, fails=True)))
        await asyncio.sleep(0.01)
        engine.gate.set()
        assert await blocker == 2
        assert await good == 4
        with pytest.raises(InternalError):
            await bad
    assert len(engine.batches[1]) == 2
    await scheduler.close()


async def test_close_cancels_what_waits() -> None:
    engine = Engine()
    scheduler = Scheduler(engine, workers=1, max_batch=1, max_wait_s=0)
    engine.gate.clear()
    with scheduler.request("a"):
        tasks = [asyncio.create_task(scheduler.run("a", FakeJob(i))) for i in range(3)]
        await settled(lambda: engine.batches)
        closing = asyncio.create_task(scheduler.close())
        await asyncio.sleep(0.01)
        engine.gate.set()
        await asyncio.wait_for(closing, 5)
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert all(isinstance(result, asyncio.CancelledError) for result in results[1:])
    with pytest.raises(RuntimeError, match="ended"):
        scheduler.check()


async def test_the_jobs_of_a_request_together() -> None:
    engine = Engine()
    scheduler = Scheduler(engine, workers=1, max_batch=8, max_wait_s=0)
    with scheduler.request("a"):
        assert await scheduler.run_all("a", [FakeJob(i) for i in range(20)]) == [2 * i for i in range(20)]
    assert max(map(len, engine.batches)) == 8
    await scheduler.close()


async def test_the_first_failure_of_a_request_drops_what_waits() -> None:
    engine = Engine()
    scheduler = Scheduler(engine, workers=1, max_batch=1, max_wait_s=0)
    with scheduler.request("a"), pytest.raises(InternalError):
        await scheduler.run_all("a", [FakeJob(0, fails=True), *(FakeJob(i) for i in range(1, 50))])
    with scheduler.request("b"):
        assert await scheduler.run_all("b", [FakeJob(7)]) == [14]
    assert len(engine.batches) <= 4
    await scheduler.close()


async def test_the_largest_batch_may_depend_on_the_key() -> None:
    engine = Engine()
    scheduler = Scheduler(engine, workers=1, max_batch={"small": 10, "large": 2}.__getitem__, max_wait_s=0)
    with scheduler.request("a"), scheduler.request("b"):
        await asyncio.gather(
            scheduler.run_all("a", [FakeJob(i, "small") for i in range(20)]),
            scheduler.run_all("b", [FakeJob(i, "large") for i in range(20)]),
        )
    assert {len({job.key for job in batch}) for batch in engine.batches} == {1}
    for key, most in (("small", 10), ("large", 2)):
        assert max(len(batch) for batch in engine.batches if batch[0].key == key) == most
    await scheduler.close()
