"""Models load once, stay while in use, and leave when idle or when room is needed."""

import asyncio

import pytest

from deployments.model_pool import ModelPool


class Loader:
    """Counts loads and unloads; ``gate`` holds loads back."""

    def __init__(self) -> None:
        self.loads: list[str] = []
        self.unloads: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures = 0

    async def load(self, name: str) -> str:
        self.loads.append(name)
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise RuntimeError("disk on fire")
        return name

    async def unload(self, model: str) -> None:
        self.unloads.append(model)


async def until(condition) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_many_users_share_one_load() -> None:
    loader = Loader()
    loader.gate.clear()
    pool = ModelPool(loader.load, loader.unload)

    async def use() -> str:
        async with pool.use("a") as model:
            return model

    users = [asyncio.create_task(use()) for _ in range(10)]
    await until(lambda: loader.loads)
    loader.gate.set()
    assert await asyncio.gather(*users) == ["a"] * 10
    assert loader.loads == ["a"]
    assert pool.loaded == {"a": "a"}


async def test_makes_room_by_unloading_the_least_recently_used() -> None:
    loader = Loader()
    pool = ModelPool(loader.load, loader.unload, max_loaded=2)
    for name in ("a", "b", "a", "c"):
        async with pool.use(name):
            pass
    assert loader.unloads == ["b"]
    assert set(pool.loaded) == {"a", "c"}


async def test_a_model_in_use_is_never_unloaded() -> None:
    loader = Loader()
    pool = ModelPool(loader.load, loader.unload, max_loaded=1)

    async def second() -> None:
        async with pool.use("b"):
            assert loader.unloads == ["a"]

    async with pool.use("a"):
        task = asyncio.create_task(second())
        await asyncio.sleep(0.02)
        assert not task.done()
        assert loader.unloads == []
    await asyncio.wait_for(task, 5)


async def test_unloads_after_idleness_and_loads_again() -> None:
    loader = Loader()
    pool = ModelPool(loader.load, loader.unload, idle_s=0.02)
    async with pool.use("a"):
        await asyncio.sleep(0.05)
        assert not loader.unloads
    await until(lambda: loader.unloads == ["a"])
    async with pool.use("a"):
        pass
    assert loader.loads == ["a", "a"]


async def test_a_failed_load_fails_its_users_and_is_tried_again() -> None:
    loader = Loader()
    loader.failures = 1
    pool = ModelPool(loader.load, loader.unload)
    with pytest.raises(RuntimeError, match="disk on fire"):
        async with pool.use("a"):
            pass
    async with pool.use("a") as model:
        assert model == "a"


async def test_a_user_who_leaves_does_not_stop_the_load_for_others() -> None:
    loader = Loader()
    loader.gate.clear()
    pool = ModelPool(loader.load, loader.unload)

    async def use() -> str:
        async with pool.use("a") as model:
            return model

    first, second = asyncio.create_task(use()), asyncio.create_task(use())
    await until(lambda: loader.loads)
    first.cancel()
    loader.gate.set()
    assert await asyncio.wait_for(second, 5) == "a"


async def test_close_unloads_everything() -> None:
    loader = Loader()
    pool = ModelPool(loader.load, loader.unload, max_loaded=3)
    for name in ("a", "b"):
        async with pool.use(name):
            pass
    await pool.close()
    assert sorted(loader.unloads) == ["a", "b"]


async def test_close_gives_up_what_still_loads() -> None:
    loader = Loader()
    loader.gate.clear()
    pool = ModelPool(loader.load, loader.unload)

    async def use() -> None:
        async with pool.use("a"):
            pass

    loading = asyncio.create_task(use())
    await until(lambda: loader.loads)
    await asyncio.wait_for(pool.close(), 5)
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert (pool.loaded, loader.unloads) == ({}, [])


async def test_a_loaded_model_is_there_while_another_unloads() -> None:
    loader = Loader()
    unloading = asyncio.Event()
    finish = asyncio.Event()

    async def slow_unload(model: str) -> None:
        unloading.set()
        await finish.wait()
        loader.unloads.append(model)

    pool = ModelPool(loader.load, slow_unload, max_loaded=2)
    for name in ("a", "b"):
        async with pool.use(name):
            pass

    async def third() -> None:
        async with pool.use("c"):
            pass

    task = asyncio.create_task(third())
    await unloading.wait()
    async with asyncio.timeout(1), pool.use("b") as model:
        assert model == "b"
    finish.set()
    await asyncio.wait_for(task, 5)
    assert loader.unloads == ["a"]


async def test_leaving_while_waiting_for_room_takes_nothing() -> None:
    loader = Loader()
    pool = ModelPool(loader.load, loader.unload, max_loaded=1)

    async def want(name: str) -> str:
        async with pool.use(name) as model:
            return model

    async with pool.use("a"):
        leaver, stayer = asyncio.create_task(want("b")), asyncio.create_task(want("c"))
        await asyncio.sleep(0.01)
        leaver.cancel()
    assert await asyncio.wait_for(stayer, 5) == "c"
    assert loader.loads == ["a", "c"]


async def test_a_failure_nobody_waited_for_is_tried_again() -> None:
    loader = Loader()
    loader.gate.clear()
    loader.failures = 1
    pool = ModelPool(loader.load, loader.unload)

    async def want() -> str:
        async with pool.use("a") as model:
            return model

    leaver = asyncio.create_task(want())
    await until(lambda: loader.loads)
    leaver.cancel()
    loader.gate.set()
    await until(lambda: not loader.failures)
    assert await asyncio.wait_for(want(), 5) == "a"
