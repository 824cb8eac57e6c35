"""The gateway with plain objects for handles: routing, deadlines, retries, error mapping, states."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from deployments.errors import (
    AntiphonError,
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    ModelNotFound,
    ModelUnavailable,
    Overloaded,
)
from deployments.whisper.types import TranscriptionEvent, TranscriptionRequest
from tests.serve_app.gateway.replicas import (
    ALL,
    FakeHandle,
    FakeStates,
    dies_after,
    fails_with,
    gateway,
    numbers,
    run,
    window,
)


@pytest.mark.parametrize(
    ("name", "on_demand"),
    [
        ("small", None),
        ("org/Small", None),
        ("whisper-1", None),
        (None, None),
        ("org/tiny-ct2", "org/tiny-ct2"),
    ],
)
async def test_resolves_names(name: str | None, on_demand: str | None) -> None:
    handle = FakeHandle(numbers)
    assert await run(gateway(handle), model=name) == ALL
    assert handle.calls[0][0].model == on_demand


async def test_an_unknown_model_is_named_with_the_known_ones() -> None:
    with pytest.raises(ModelNotFound, match=r"'nobody'.*large.*small"):
        await run(gateway(FakeHandle(numbers)), model="nobody")


async def test_gives_up_after_the_configured_retries() -> None:
    handle = FakeHandle(dies_after(0))
    with pytest.raises(ModelUnavailable, match="3 times"):
        await run(gateway(handle))
    assert len(handle.calls) == 3


async def test_the_deadline_holds_and_stops_the_work() -> None:
    stopped = asyncio.Event()

    async def hangs(request: TranscriptionRequest, audio: Any) -> AsyncIterator[list[TranscriptionEvent]]:
        yield window(0, 1)
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    handle = FakeHandle(hangs)
    with pytest.raises(DeadlineExceeded):
        await run(gateway(handle, timeout_s=0.05))
    assert stopped.is_set()
    assert handle.calls[0][2].cancelled
    assert handle.calls[0][0].deadline is not None


async def test_a_client_may_shorten_the_deadline_but_not_lengthen_it() -> None:
    handle = FakeHandle(numbers)
    soon, late = time.time() + 5, time.time() + 1e6
    await run(gateway(handle, timeout_s=60), deadline=soon)
    await run(gateway(handle, timeout_s=60), deadline=late)
    assert handle.calls[0][0].deadline == soon
    assert abs((handle.calls[1][0].deadline or 0) - time.time() - 60) < 5


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (InvalidRequest("no", param="x"), InvalidRequest),
        (Overloaded("full", retry_after_s=3), Overloaded),
        (BackPressureError(5, 4), Overloaded),
        (DeploymentUnavailableError(SimpleNamespace(name="x")), ModelUnavailable),
        (RuntimeError("secret path /etc"), InternalError),
    ],
)
async def test_every_failure_becomes_one_of_the_tree(raised: BaseException, expected: type[AntiphonError]) -> None:
    with pytest.raises(expected) as caught:
        await run(gateway(FakeHandle(fails_with(raised))))
    assert "secret" not in str(caught.value)


async def test_an_error_that_crossed_a_process_border_is_unwrapped() -> None:
    cause = Overloaded("full", retry_after_s=7)
    wrapped = RayTaskError("transcribe", "traceback", cause).as_instanceof_cause()
    with pytest.raises(Overloaded) as caught:
        await run(gateway(FakeHandle(fails_with(wrapped))))
    assert caught.value.retry_after_s == 7
    assert type(caught.value) is Overloaded


async def test_states_show_the_most_telling_replica() -> None:
    states = await gateway(FakeHandle(numbers)).states()
    assert {name: state.phase for name, state in states.items()} == {
        "small": "ready",
        "large": "failed",
        "hub": "idle",
    }


async def test_states_survive_a_silent_board() -> None:
    gate = gateway(FakeHandle(numbers))

    async def broken() -> None:
        raise ActorDiedError()

    gate._states = FakeStates(broken)
    states = await gate.states()
    assert {name: state.phase for name, state in states.items()} == {
        "small": "starting",
        "large": "starting",
        "hub": "idle",
    }
