"""The standard health service: what it says while models load, when they are ready, and when nobody answers."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpc import StatusCode
from grpc.aio import Channel
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from deployments.model_state import ModelState
from serve_app.grpc import health
from serve_app.grpc.call import Call
from serve_app.grpc.health import Health, Statuses
from tests.serve_app.grpc.conftest import Behind, Connect, refusal
from tests.serve_app.http.stub import MODELS, StubGateway

SERVING, NOT_SERVING, UNKNOWN = (
    HealthCheckResponse.SERVING,
    HealthCheckResponse.NOT_SERVING,
    HealthCheckResponse.SERVICE_UNKNOWN,
)
TRANSCRIPTION, CLASSIFICATION, SPEECH = (f"antiphon.v1.{n}" for n in ("Transcription", "Classification", "Speech"))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FRESH_S", 0.01)


@pytest.fixture
def gateway() -> StubGateway:
    gateway = StubGateway()
    gateway.found = {entry.id: ModelState("ready") for entry in MODELS}
    return gateway


async def status(channel: Channel, service: str = "", **metadata: str) -> Any:
    call = HealthStub(channel).Check(HealthCheckRequest(service=service), metadata=list(metadata.items()))
    return (await call).status


async def test_models_get_ready(channel: Channel, gateway: StubGateway) -> None:
    assert [entry.task for entry in MODELS if entry.task == "speech"] == []
    transcribers = [entry.id for entry in MODELS if entry.task == "transcription"]
    for phase, found in (("loading", NOT_SERVING), ("failed", NOT_SERVING), ("idle", SERVING), ("ready", SERVING)):
        gateway.found = {**gateway.found, transcribers[0]: ModelState(phase)}
        await asyncio.sleep(0.02)
        assert await status(channel) == found
        assert await status(channel, TRANSCRIPTION) == found
        assert await status(channel, CLASSIFICATION) == SERVING
        assert await status(channel, "service.runsync") == SERVING
        assert await status(channel, "liveness") == SERVING
        listed = await HealthStub(channel).List(HealthListRequest())
        assert {name: answer.status for name, answer in listed.statuses.items()} == {
            "": found,
            "liveness": SERVING,
            "service.runsync": SERVING,
            CLASSIFICATION: SERVING,
            TRANSCRIPTION: found,
        }


@pytest.mark.parametrize("service", ["nobody", "antiphon.v1", SPEECH, "x" * 100_000])
async def test_services_that_there_are_not(channel: Channel, service: str) -> None:
    """Among them one without a model."""
    error = await refusal(status(channel, service))
    assert error.code() == StatusCode.NOT_FOUND
    assert "No service of this name is served" in str(error.details())
    watch = HealthStub(channel).Watch(HealthCheckRequest(service=service))
    assert (await watch.read()).status == UNKNOWN
    watch.cancel()


async def test_what_is_no_request(channel: Channel) -> None:
    for method in ("Check", "Watch"):
        call = getattr(channel, "unary_unary" if method == "Check" else "unary_stream")(f"/{health.NAME}/{method}")
        error = await refusal(call(b"\xff") if method == "Check" else call(b"\xff").read())
        assert error.code() == StatusCode.INVALID_ARGUMENT
        assert "grpc.health.v1.HealthCheckRequest" in str(error.details())


async def test_everybody_may_ask(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Call, "is_local", False)
    channel = await connect(keys=("the-key",))
    assert await status(channel) == SERVING
    assert (await HealthStub(channel).Watch(HealthCheckRequest()).read()).status == SERVING


async def test_every_change_is_told_to_all_who_watch(channel: Channel, gateway: StubGateway) -> None:
    ready = gateway.found
    watches = [HealthStub(channel).Watch(HealthCheckRequest(service=TRANSCRIPTION)) for _ in range(3)]
    for found, expected in ((ready, SERVING), ({}, None), (ready, SERVING)):
        if expected is None:
            gateway.found = {name: ModelState("loading") for name in ready}
            expected = NOT_SERVING
        else:
            gateway.found = found
        async with asyncio.timeout(10):
            assert [(await watch.read()).status for watch in watches] == [expected] * 3
    for watch in watches:
        watch.cancel()


async def test_an_ingress_that_is_gone(
    channel: Channel, gateway: StubGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Serve answers in its place, with an error of its own."""
    watch = HealthStub(channel).Watch(HealthCheckRequest())
    assert (await watch.read()).status == SERVING
    monkeypatch.setattr(gateway, "states", _broken)
    async with asyncio.timeout(10):
        assert (await watch.read()).status == NOT_SERVING
    for service in ("", TRANSCRIPTION, SPEECH):
        assert await status(channel, service) == NOT_SERVING
    assert (await refusal(status(channel, "nobody"))).code() == StatusCode.NOT_FOUND
    assert await status(channel, "liveness") == SERVING
    watch.cancel()


async def _broken() -> Mapping[str, ModelState]:
    raise RuntimeError("gone")


async def test_no_application_yet_and_none_any_more(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Behind, "applications", ())
    assert await status(channel) == NOT_SERVING
    assert await status(channel, TRANSCRIPTION) == NOT_SERVING


@asynccontextmanager
async def asked(**found: Statuses | None) -> AsyncIterator[Any]:
    """Asks for a service, in an application if one is named."""
    answers = iter([found])
    of_all = Health(lambda: asyncio.sleep(0, next(answers, found)), [TRANSCRIPTION, SPEECH])

    async def ask(service: str, application: str | None = None) -> int:
        return await of_all._status(service, application)

    yield ask


@pytest.mark.parametrize(
    ("first", "second", "whole", "transcription"),
    [
        ({"": True, TRANSCRIPTION: True}, {"": True, SPEECH: True}, SERVING, SERVING),
        ({"": True, TRANSCRIPTION: True}, {"": False, SPEECH: False}, NOT_SERVING, SERVING),
        ({"": True, TRANSCRIPTION: True}, {"": False, TRANSCRIPTION: False}, NOT_SERVING, NOT_SERVING),
        ({"": True, TRANSCRIPTION: True}, None, NOT_SERVING, NOT_SERVING),
    ],
)
async def test_several_applications(
    first: Statuses, second: Statuses | None, whole: int, transcription: int
) -> None:
    async with asked(first=first, second=second) as ask:
        assert (await ask(""), await ask(TRANSCRIPTION)) == (whole, transcription)
        assert (await ask("", "first"), await ask(TRANSCRIPTION, "first")) == (SERVING, SERVING)
        assert (await ask(SPEECH, "first"), await ask("", "nobody")) == (UNKNOWN, UNKNOWN)
        if second is None:
            assert await ask("", "second") == NOT_SERVING


async def test_applications_are_asked_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FRESH_S", 60)
    times = 0

    async def found() -> Mapping[str, Statuses | None]:
        nonlocal times
        times += 1
        await asyncio.sleep(0.01)
        return {"one": {"": True}}

    of_all = Health(found, [])
    assert await asyncio.gather(*(of_all._status("", None) for _ in range(50))) == [SERVING] * 50
    assert times == 1


async def test_watchers_are_bounded(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MOST_WATCHERS", 2)
    stub = HealthStub(channel)
    watches = [stub.Watch(HealthCheckRequest()) for _ in range(2)]
    assert [(await watch.read()).status for watch in watches] == [SERVING] * 2
    error = await refusal(stub.Watch(HealthCheckRequest()).read())
    assert error.code() == StatusCode.RESOURCE_EXHAUSTED
    watches.pop().cancel()
    async with asyncio.timeout(10):
        while True:
            watch = stub.Watch(HealthCheckRequest())
            try:
                assert (await watch.read()).status == SERVING
            except Exception:
                await asyncio.sleep(0.01)
                continue
            break
    for each in (*watches, watch):
        each.cancel()
