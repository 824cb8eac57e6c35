"""Progress of a job on its way to RunPod."""

import asyncio

from serve_app.runpod_worker.handlers import ProgressPosts


async def test_progress_is_told_one_at_a_time_and_not_after_the_end() -> None:
    told: list[int] = []
    gate = asyncio.Event()

    async def post(value: int) -> None:
        await gate.wait()
        told.append(value)

    posts = ProgressPosts(post)
    posts.post(0)
    await asyncio.sleep(0)  # it is on its way
    for value in range(1, 10):
        posts.post(value)
    settling = asyncio.create_task(posts.settle())
    await asyncio.sleep(0)
    assert not settling.done()
    gate.set()
    await settling
    assert told == [0]


async def test_progress_that_fails_fails_nothing() -> None:
    told: list[int] = []

    async def post(value: int) -> None:
        told.append(value)
        raise OSError

    posts = ProgressPosts(post)
    posts.post(1)
    await posts.settle()
    posts.post(2)
    await posts.settle()
    assert told == [1, 2]
