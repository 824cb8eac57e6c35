"""One job's way through a contract that the tests make up, without the SDK and without models."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any

import numpy as np
import pytest

from deployments.errors import AntiphonError, DeadlineExceeded, InternalError, InvalidRequest, Overloaded
from serve_app.config.jobs import PublishConfig
from serve_app.contracts.contract import Chunk, Item, JobContext, JobProgress, JobResult, Notice
from serve_app.jobs.outputs import Outputs
from serve_app.runpod_worker import work as work_module
from serve_app.runpod_worker.work import Tools, streams, work
from tests.serve_app.http.stub import StubGateway, app_of

Script = Callable[[JobContext], AsyncGenerator[Item]]
JOB = {"id": "job-1", "input": {"any": "thing"}}


class Scripted:
    """A contract that does what a test says."""

    name, task = "scripted", None

    def __init__(self, script: Script) -> None:
        self._script = script

    def accepts(self, job_input: Any) -> bool:
        return True

    def streams(self, job_input: Any) -> bool:
        raise RuntimeError

    def run(self, job_input: Any, context: JobContext) -> AsyncGenerator[Item]:
        return self._script(context)

    def failed(self, job_input: Any, error: AntiphonError, context: JobContext) -> Iterable[Notice]:
        return (Notice("http://example.com", "failed", {"error": error.message}),)


class Kept:
    """Stands for the queue of webhooks."""

    def __init__(self) -> None:
        self.notices: list[tuple[str, Notice]] = []

    async def add(self, owner: str, notices: Iterable[Notice]) -> None:
        self.notices += [(owner, notice) for notice in notices]


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, kept: Kept) -> Any:
    """Runs a script as a job."""

    def started(script: Script, *, streamed: bool = False, **more: Any) -> AsyncGenerator[Any]:
        monkeypatch.setattr(work_module, "choose", lambda *_: Scripted(script))
        gateway = StubGateway()
        outputs = Outputs(PublishConfig(), environment={})
        tools = Tools(gateway, app_of(gateway), kept, outputs)  # type: ignore[arg-type]
        return work({**JOB, **more}, tools, streamed=streamed)

    return started


async def test_chunks_are_told_or_gathered(done: Any) -> None:
    async def script(context: JobContext) -> AsyncGenerator[Item]:
        yield JobProgress(0.5)
        yield Chunk({"value": np.float32(0.5)}, 0, 1)
        yield Chunk(float("nan"), 1, 2)

    assert [type(item) for item in [item async for item in done(script, streamed=True)]] == [
        JobProgress,
        Chunk,
        Chunk,
    ]
    *_, last = [item async for item in done(script)]
    assert last == JobResult([{"value": 0.5}, None])


async def test_a_failure_is_told_to_the_webhook_too(done: Any, kept: Kept) -> None:
    async def script(context: JobContext) -> AsyncGenerator[Item]:
        yield Notice("http://example.com", "started", {})
        raise InvalidRequest("wrong")

    with pytest.raises(InvalidRequest, match="wrong"):
        _ = [item async for item in done(script)]
    assert [(owner, notice.event) for owner, notice in kept.notices] == [("job-1", "started"), ("job-1", "failed")]


async def test_our_own_failures_name_nothing_internal(done: Any) -> None:
    async def script(context: JobContext) -> AsyncGenerator[Item]:
        raise RuntimeError("/secret/path")
        yield

    with pytest.raises(InternalError) as caught:
        _ = [item async for item in done(script)]
    assert "secret" not in caught.value.message


async def test_a_full_model_is_waited_for(done: Any) -> None:
    tries = 0

    async def script(context: JobContext) -> AsyncGenerator[Item]:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Overloaded("full", retry_after_s=0.01)
        yield JobResult("done")

    assert [item async for item in done(script)] == [JobResult("done")]


async def test_nothing_is_told_twice_to_wait_for_a_full_model(done: Any) -> None:
    async def script(context: JobContext) -> AsyncGenerator[Item]:
        yield Chunk(1, 0, 1)
        raise Overloaded("full", retry_after_s=0.01)

    with pytest.raises(Overloaded):
        _ = [item async for item in done(script, streamed=True)]


async def test_a_job_has_the_time_that_it_was_given(done: Any) -> None:
    async def script(context: JobContext) -> AsyncGenerator[Item]:
        await asyncio.Event().wait()
        yield

    async with asyncio.timeout(5):
        with pytest.raises(DeadlineExceeded, match="execution timeout"):
            _ = [item async for item in done(script, policy={"executionTimeout": 50})]


async def test_leaving_stops_the_contract(done: Any) -> None:
    stopped = False

    async def script(context: JobContext) -> AsyncGenerator[Item]:
        nonlocal stopped
        try:
            yield Chunk(1, 0, 1)
            await asyncio.Event().wait()
        finally:
            stopped = True

    async with contextlib.aclosing(done(script, streamed=True)) as items:
        await anext(items)
        waiting = asyncio.ensure_future(anext(items))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert stopped


def test_whether_a_job_streams_never_raises() -> None:
    assert streams({"id": "1", "input": {"transcribe_args": {}}}, None)
    assert not streams({"id": "1", "input": {"prompt": "text"}}, None)
    for job_input in (None, 5, "text", {}, {"prompt": {}}, {"transcribe_args": 5, "prompt": 5}):
        streams({"id": "1", "input": job_input}, None)
