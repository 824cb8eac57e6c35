"""Overload, impatient clients, deadlines and dying replicas: nobody hangs, nothing accepted is lost."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Server
from tests.serving import AUDIO, wait_until

LONG = (AUDIO / "utt12_long.wav").read_bytes()
HALF = (AUDIO / "utt11_long.wav").read_bytes()
SHORT = (AUDIO / "utt01.wav").read_bytes()
ROUTE = "/v1/audio/transcriptions"
GREEDY = {"model": "pair", "beam_size": "1", "temperature": "0.0"}


@pytest.fixture
async def http(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(base_url=server.url, timeout=120, limits=limits) as client:
        yield client


async def post(http: httpx.AsyncClient, data: bytes = SHORT, **fields: Any) -> httpx.Response:
    return await http.post(ROUTE, files={"file": ("a.wav", data)}, data=fields)


async def load(http: httpx.AsyncClient, model: str) -> tuple[int, float]:
    """Active requests and queued audio seconds of a model, as its replica last reported."""
    state = (await http.get("/readyz")).json()["models"][model]
    return state["active_requests"], state["queued_audio_s"]


async def until(condition: Any, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.05)


async def test_a_full_queue_says_429_and_keeps_its_promises(http: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(post(http, LONG, model="tight") for _ in range(12)))
    accepted = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(accepted) + len(refused) == 12
    assert len(refused) >= 6
    assert len({answer.json()["text"] for answer in accepted}) == 1
    for answer in refused:
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["error"]["code"] == "overloaded"
        assert answer.elapsed < min(other.elapsed for other in accepted)
    assert (await post(http, model="tight")).status_code == 200


async def busy(http: httpx.AsyncClient, model: str, count: int) -> bool:
    return (await load(http, model))[0] == count


def twice(wav: bytes) -> bytes:
    """A recording after itself (the header's sizes are patched)."""
    audio = wav[44:]
    size = 2 * len(audio)
    return wav[:4] + (36 + size).to_bytes(4, "little") + wav[8:40] + size.to_bytes(4, "little") + audio + audio


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_frees_its_place(http: httpx.AsyncClient, stream: bool) -> None:
    """Three clients take all places and leave; the next one gets in long before they would have been served."""
    begin = time.monotonic()
    await asyncio.gather(*(post(http, LONG, model="tight") for _ in range(3)))
    served_in = time.monotonic() - begin
    clients = [asyncio.create_task(occupy(http, stream)) for _ in range(3)]
    while (await post(http, model="tight")).status_code != 429:
        await asyncio.sleep(0)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    begin = time.monotonic()
    while (answer := await post(http, model="tight")).status_code == 429:
        await asyncio.sleep(0.02)
    assert answer.status_code == 200
    assert time.monotonic() - begin < served_in / 2


async def occupy(http: httpx.AsyncClient, stream: bool) -> None:
    """Hold a place until cancelled, which breaks the connection; knock again if there is none."""
    request: Any = {"files": {"file": ("a.wav", LONG)}, "data": {"model": "tight"}}
    if stream:
        request["data"]["stream"] = "true"
    while True:
        async with http.stream("POST", ROUTE, **request) as answer:
            await answer.aread()
            assert answer.status_code in (200, 429)


@pytest.mark.parametrize("victims", [1, 2])
async def test_a_killed_replica_is_not_noticed(http: httpx.AsyncClient, server: Server, victims: int) -> None:
    wait_until(lambda: len(server.replicas("pair")) == 2)
    expected = (await post(http, HALF, **GREEDY)).json()["text"]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(post(http, HALF, **GREEDY)) for _ in range(8)]
        streams = [group.create_task(streamed(http)) for _ in range(2)]
        await until(lambda: at_least(http, "pair", 2))
        for pid in server.replicas("pair")[:victims]:
            server.kill(pid)
        assert not all(task.done() for task in (*tasks, *streams)), "there was nothing left to lose"
    assert [task.result().status_code for task in tasks] == [200] * 8
    assert {task.result().json()["text"] for task in tasks} == {expected}
    assert {stream.result() for stream in streams} == {expected}


async def at_least(http: httpx.AsyncClient, model: str, count: int) -> bool:
    return (await load(http, model))[0] >= count


async def streamed(http: httpx.AsyncClient) -> str:
    """The deltas of a streamed transcription, put together."""
    text, done = "", ""
    request: Any = {"files": {"file": ("a.wav", HALF)}, "data": {**GREEDY, "stream": "true"}}
    async with http.stream("POST", ROUTE, **request) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                event = json.loads(line.removeprefix("data: "))
                text += event.get("delta", "")
                done = event.get("text", done)
    assert text == done
    return text


async def test_a_deadline_stops_the_work(http: httpx.AsyncClient) -> None:
    answer = await http.post(
        ROUTE,
        files={"file": ("a.wav", LONG)},
        data={"model": "tight"},
        headers={"x-request-timeout-seconds": "0.3"},
    )
    assert answer.status_code in (408, 504)
    await until(lambda: busy(http, "tight", 0))


async def test_idle_models_unload_and_come_back(http: httpx.AsyncClient) -> None:
    assert (await post(http, model="lazy")).status_code == 200

    async def phase_is(name: str) -> bool:
        return (await http.get("/readyz")).json()["models"]["lazy"]["phase"] == name

    await until(lambda: phase_is("idle"))
    started = time.monotonic()
    assert (await post(http, model="lazy")).json()["text"]
    assert time.monotonic() - started < 30


async def test_the_duration_cap(http: httpx.AsyncClient) -> None:
    answer = await post(http, twice(twice(LONG)), model="tight")
    assert answer.status_code == 413
    assert "150" in answer.json()["error"]["message"]
