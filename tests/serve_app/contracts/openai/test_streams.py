"""The requests of jobs within the process: leaving, holding back, and answers of every kind."""

import asyncio
import time
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from deployments.errors import DeadlineExceeded, InternalError
from tests.serve_app.contracts.openai.job import CONTRACT, FILE, context_with, job
from tests.serve_app.contracts.support import chunks_of, context_of, output_of
from tests.serve_app.http.stub import SEGMENTS, StubGateway


async def test_closing_is_leaving() -> None:
    gateway = StubGateway((SEGMENTS[0], asyncio.Event()))
    items: Any = CONTRACT.run(job(file=FILE, stream=True), context_of(gateway))
    async with asyncio.timeout(5):
        await anext(items)
        assert gateway.active == 1
        await items.aclose()
    assert gateway.active == 0


async def test_cancelling_is_leaving() -> None:
    gateway = StubGateway((asyncio.Event(),))
    task = asyncio.create_task(output_of(job(file=FILE), context_of(gateway)))
    async with asyncio.timeout(5):
        while not gateway.active:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert gateway.active == 0


async def test_a_deadline() -> None:
    gateway = StubGateway((asyncio.Event(),))
    with pytest.raises(DeadlineExceeded):
        await output_of(job(file=FILE), context_of(gateway, deadline=time.time() + 0.05))
    assert gateway.active == 0


async def test_a_reader_that_is_slow_holds_the_application_back() -> None:
    sent = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while True:
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            sent += 1

    items: Any = CONTRACT.run(job(file=FILE, stream=True), context_with(app))
    async with asyncio.timeout(5):
        await anext(items)
        for _ in range(100):
            await asyncio.sleep(0)
        assert sent < 20


async def test_events_are_whole_whatever_their_parts() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in "data: \u05d0\n\n: ping\n\ndata: 2\n\ndata: end".encode():
            await send({"type": "http.response.body", "body": bytes([part]), "more_body": True})
        await send({"type": "http.response.body"})

    items = await chunks_of(CONTRACT, job(file=FILE, stream=True), context_with(app))
    assert [item.value for item in items] == [
        "data: \u05d0\n\n",
        "data: 2\n\n",
        "data: end",
    ]


async def test_an_application_that_ends_without_an_answer() -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        return

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(InternalError):
        await output_of(job(file=FILE), context_with(silent))
    with pytest.raises(RuntimeError, match="a bug"):
        await output_of(job(file=FILE), context_with(broken))


async def test_other_kinds_of_answers() -> None:
    async def speech(request: Request) -> Response:
        return Response(b"\x00\x01", media_type="audio/mpeg")

    async def echo(request: Request) -> Response:
        return PlainTextResponse(f"{request.method} {request.url.query} {(await request.body()).decode()}")

    async def nothing(request: Request) -> Response:
        return Response(status_code=204)

    routes = [
        Route("/v1/audio/speech", speech, methods=["POST"]),
        Route("/v1/echo", echo, methods=["PATCH"]),
        Route("/v1/nothing", nothing, methods=["DELETE"]),
    ]
    context = context_with(Starlette(routes=routes))
    found = await output_of(job("/v1/audio/speech", input="Hello"), context)
    assert found == {"content_type": "audio/mpeg", "data": "AAE="}
    patched = {**job("/v1/echo?a=1", b=2), "openai_method": "patch"}
    assert await output_of(patched, context) == 'PATCH a=1 {"b": 2}'
    assert await output_of({"openai_route": "/v1/nothing", "openai_method": "DELETE"}, context) is None
