"""Single calls of a deployment; streams are tested with the gateway."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, RayTaskError, TaskCancelledError, WorkerCrashedError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from deployments.calls import Calls
from deployments.errors import (
    AntiphonError,
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    ModelUnavailable,
    Overloaded,
)


class Call:
    """A response: awaited once, cancelled perhaps."""

    def __init__(self, work: Awaitable[Any]) -> None:
        self._work = work
        self.cancelled = False

    def __await__(self) -> Any:
        return self._work.__await__()

    def cancel(self) -> None:
        self.cancelled = True


class Handle:
    """A deployment whose method ``add`` follows scripts, one after the other; the last one repeats."""

    def __init__(self, *scripts: Callable[..., Awaitable[Any]]) -> None:
        self.scripts = list(scripts)
        self.calls: list[Call] = []
        self.add = SimpleNamespace(remote=self._remote)

    def _remote(self, *args: Any) -> Call:
        script = self.scripts[min(len(self.calls), len(self.scripts) - 1)]
        self.calls.append(Call(script(*args)))
        return self.calls[-1]


def raising(error: BaseException) -> Callable[..., Awaitable[Any]]:
    async def fail(*_: Any) -> Any:
        raise error

    return fail


async def add(one: int, other: int) -> int:
    return one + other


async def forever(*_: Any) -> None:
    await asyncio.Event().wait()


def later() -> float:
    return time.time() + 10


async def test_a_result_is_passed_on_and_nothing_cancelled() -> None:
    handle = Handle(add)
    assert await Calls(handle, "m").one("add", later(), 2, 3) == 5
    assert not handle.calls[0].cancelled


@pytest.mark.parametrize("error", [ActorDiedError(), WorkerCrashedError()])
async def test_a_dead_replica_means_another_try(error: Exception) -> None:
    handle = Handle(raising(error), raising(error), add)
    assert await Calls(handle, "m", retries=2).one("add", later(), 2, 3) == 5
    assert len(handle.calls) == 3


async def test_not_for_ever() -> None:
    handle = Handle(raising(ActorDiedError()))
    with pytest.raises(ModelUnavailable, match="lost its replica 3 times"):
        await Calls(handle, "m", retries=2).one("add", later(), 2, 3)
    assert len(handle.calls) == 3


def task_error(cause: Exception) -> RayTaskError:
    return RayTaskError("add", "traceback", cause).as_instanceof_cause()


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (task_error(InvalidRequest("Say more.", param="x")), InvalidRequest),
        (BackPressureError(num_queued_requests=9, max_queued_requests=8), Overloaded),
        (DeploymentUnavailableError("broken"), ModelUnavailable),
        (task_error(ZeroDivisionError("secret")), InternalError),
        (task_error(TimeoutError("secret")), InternalError),
        (ZeroDivisionError("secret"), InternalError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
async def test_errors_are_of_our_own_tree(error: Exception, raised: type[AntiphonError]) -> None:
    handle = Handle(raising(error))
    with pytest.raises(raised) as caught:
        await Calls(handle, "m").one("add", later(), 2, 3)
    assert type(caught.value) is raised
    assert "secret" not in caught.value.message
    assert len(handle.calls) == 1, "only a death is tried again"


async def test_whoever_runs_the_model_gets_its_own_error(caplog: pytest.LogCaptureFixture) -> None:
    error = ZeroDivisionError("boom")
    with pytest.raises(ZeroDivisionError) as caught:
        await Calls(Handle(raising(error)), "m", raw_errors=True).one("add", later(), 2, 3)
    assert caught.value is error
    assert not caplog.records


async def test_the_deadline_cancels_the_call() -> None:
    handle = Handle(forever)
    with pytest.raises(DeadlineExceeded):
        await Calls(handle, "m").one("add", time.time() + 0.02)
    assert handle.calls[0].cancelled


async def test_a_caller_that_leaves_cancels_the_call() -> None:
    handle = Handle(forever)
    waiting = asyncio.create_task(Calls(handle, "m").one("add", None))
    async with asyncio.timeout(5):
        while not handle.calls:
            await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert handle.calls[0].cancelled


@pytest.mark.parametrize("error", [TaskCancelledError(), asyncio.CancelledError()])
async def test_a_replica_that_stops_its_work_is_no_cancellation_of_ours(error: BaseException) -> None:
    with pytest.raises(ModelUnavailable, match="stopped the work"):
        await Calls(Handle(raising(error)), "m").one("add", later())
