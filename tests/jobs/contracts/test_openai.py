"""Jobs that are requests to the server's own HTTP API."""

import asyncio
import base64
import json
import pickle
import time
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from deployments.errors import (
    AntiphonError,
    ClientError,
    DeadlineExceeded,
    ForbiddenUrl,
    InternalError,
    InvalidRequest,
    ModelUnavailable,
    Overloaded,
    PayloadTooLarge,
)
from serve_app.jobs.contracts import by_name
from serve_app.jobs.contracts.contract import Chunk, JobContext
from serve_app.jobs.contracts.openai import OpenAiMistake, OpenAiRefusal
from tests.http.stub import MODERATIONS, PATH, SCRIPT, SEGMENTS, TEXT, WAV, StubBackend, ask, post
from tests.jobs.contracts.support import URL, context_of, items_of, output_of

CONTRACT = by_name("openai")
FILE = {"name": WAV[0], "content_type": WAV[2], "data": base64.b64encode(WAV[1]).decode()}


def job(route: str = PATH, **body: Any) -> dict[str, Any]:
    return {"openai_route": route, "openai_input": body}


def context_with(app: Any, **changes: Any) -> JobContext:
    return JobContext("job-1", StubBackend(), app, **changes)


async def test_a_route_without_a_body_is_a_get() -> None:
    models = await output_of({"openai_route": "/v1/models"})
    assert models["object"] == "list"
    assert await output_of({"openai_route": "v1/models"}) == models
    one = await output_of({"openai_route": "/v1/models/org%2Fsome-name", "openai_method": "get"})
    assert one["root"] == "sample-asr"


async def test_moderation_as_over_http() -> None:
    body = {"input": ["some hate", "nothing"], "model": "guard"}
    found = await output_of(job(MODERATIONS, **body))
    direct = (await ask(StubBackend(), body, MODERATIONS)).json()
    assert {**found, "id": ""} == {**direct, "id": ""}


@pytest.mark.parametrize("kind", ["json", "verbose_json", "text", "srt", "vtt"])
async def test_transcription_as_over_http(kind: str) -> None:
    backend = StubBackend()
    found = await output_of(job(file=FILE, model="whisper-1", response_format=kind), context_of(backend))
    direct = await post(StubBackend(), {"model": "whisper-1", "response_format": kind})
    assert found == (direct.json() if kind.endswith("json") else direct.text)
    assert backend.uploads[0] is not None
    assert backend.uploads[0].data.tobytes() == WAV[1]
    assert (backend.request.file_name, backend.request.content_type) == (WAV[0], WAV[2])
    assert backend.request.request_id == "job-1"


async def test_fields_as_the_openai_package_sends_them() -> None:
    backend = StubBackend()
    body = {
        "timestamp_granularities": ["word", "segment"],
        "response_format": "verbose_json",
        "temperature": [0, 0.5],
        "beam_size": 3,
        "vad_filter": True,
        "vad_parameters": {"threshold": 0.25},
        "prompt": None,
        "keywords[]": ["canoe, wooden"],
    }
    found = await output_of(job(file=FILE, **body), context_of(backend))
    assert found["words"][0]["word"] == "The"
    request = backend.request
    assert (request.decoding.temperatures, request.decoding.beam_size) == ((0.0, 0.5), 3)
    assert request.decoding.hotwords == "canoe, wooden"
    assert request.vad is not None
    assert request.vad.threshold == 0.25


@pytest.mark.parametrize("body", [{"url": URL}, {"file": {"url": URL}}])
async def test_an_address_instead_of_a_file(body: dict[str, Any]) -> None:
    backend = StubBackend()
    assert (await output_of(job(**body), context_of(backend)))["text"] == TEXT
    assert backend.request.url == URL


@pytest.mark.parametrize("file", [FILE["data"], f"data:audio/flac;base64,{FILE['data']}", {"data": FILE["data"]}])
async def test_shorter_files(file: Any) -> None:
    backend = StubBackend()
    await output_of(job(file=file), context_of(backend))
    expected = "audio/flac" if str(file).startswith("data:") else "application/octet-stream"
    assert backend.request.content_type == expected


async def test_the_endpoints_model() -> None:
    backend = StubBackend()
    await output_of(job(file=FILE), context_of(backend, model="large"))
    await output_of(job(file=FILE, model="sample-asr"), context_of(backend, model="large"))
    await output_of(job(MODERATIONS, input="a"), context_of(backend, model="guard"))
    assert [request.model for request in backend.requests] == ["large", "sample-asr"]
    assert backend.questions[0].model == "guard"


async def test_a_stream() -> None:
    job_input = job(file=FILE, stream=True)
    items = await items_of(CONTRACT, job_input, context_of())
    assert [(item.start, item.end) for item in items] == [(n, n + 1) for n in range(4)]  # type: ignore[union-attr]
    texts = [item.value for item in items if isinstance(item, Chunk)]
    assert all(text.startswith("data: ") and text.endswith("\n\n") for text in texts)
    assert texts[-1] == "data: [DONE]\n\n"
    events = [json.loads(text.removeprefix("data: ")) for text in texts[:-1]]
    assert [event["type"] for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert events[-1]["text"] == TEXT
    direct = await post(StubBackend(), {"stream": "true"})
    assert "".join(texts) == direct.text


async def test_chunks_come_as_they_are_made() -> None:
    gate = asyncio.Event()
    items: Any = CONTRACT.run(job(file=FILE, stream=True), context_of(StubBackend((SEGMENTS[0], gate, *SCRIPT))))
    async with asyncio.timeout(5):
        assert "The birch canoe" in (await anext(items)).value
        gate.set()
        assert len([item async for item in items]) == 4


async def test_a_route_that_does_not_stream_has_one_chunk() -> None:
    (text,) = await output_of(job(MODERATIONS, input="a", stream=True))
    assert json.loads(text)["results"]


@pytest.mark.parametrize(
    ("route", "method", "status"),
    [("/v1/nothing", None, 404), ("/v1/models", "POST", 405), ("/v1/../healthz", None, 404)],
)
async def test_refusals_of_the_router(route: str, method: str | None, status: int) -> None:
    with pytest.raises(OpenAiRefusal) as caught:
        await output_of({"openai_route": route, "openai_method": method})
    assert caught.value.status == status
    assert json.loads(caught.value.message)["error"]["message"]
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.status, copy.message) == (status, caught.value.message)


@pytest.mark.parametrize("stream", [True, False])
async def test_refusals_of_a_route(stream: bool) -> None:
    with pytest.raises(OpenAiRefusal) as caught:
        await output_of(job(file=FILE, beam_size=99, stream=stream))
    assert caught.value.status == 400
    assert isinstance(caught.value, ClientError)  # a job is not tried again after one
    assert json.loads(caught.value.message)["error"]["param"] == "beam_size"
    assert OpenAiRefusal.status == 500


@pytest.mark.parametrize("stream", [True, False])
async def test_what_may_be_tried_again_is_known_as_such(stream: bool) -> None:
    full = context_of(StubBackend((Overloaded("Full.", retry_after_s=7),)))
    with pytest.raises(Overloaded) as caught:
        await output_of(job(file=FILE, stream=stream), full)
    assert caught.value.retry_after_s == 7
    assert json.loads(caught.value.message)["error"]["message"] == "Full."
    with pytest.raises(ModelUnavailable):
        await output_of(job(file=FILE, stream=stream), context_of(StubBackend((ModelUnavailable("Loading."),))))


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (ModelUnavailable("Gone."), ModelUnavailable, 503),
        (InvalidRequest("Wrong."), OpenAiMistake, 400),
        (DeadlineExceeded("Late."), DeadlineExceeded, 504),
        (InternalError("Broken."), OpenAiRefusal, 500),
    ],
)
async def test_an_error_in_a_stream_fails_the_job(
    error: AntiphonError, kind: type[AntiphonError], status: int
) -> None:
    context = context_of(StubBackend((SEGMENTS[0], error)))
    items: Any = CONTRACT.run(job(file=FILE, stream=True), context)
    assert "The birch canoe" in (await anext(items)).value
    with pytest.raises(kind) as caught:
        await anext(items)
    assert caught.value.status == status
    assert json.loads(caught.value.message)["error"]["message"] == error.message


@pytest.mark.parametrize(
    ("job_input", "kind", "param"),
    [
        ({"openai_route": None}, InvalidRequest, "openai_route"),
        ({"openai_route": "/v2/transcribe/run"}, InvalidRequest, "openai_route"),
        ({"openai_route": "/docs"}, InvalidRequest, "openai_route"),
        ({"openai_route": "http://example.com/v1/models"}, InvalidRequest, "openai_route"),
        ({"openai_route": "/v1/a b"}, InvalidRequest, "openai_route"),
        ({"openai_route": "/v1/\r\nx: y"}, InvalidRequest, "openai_route"),
        ({"openai_route": "/v1/" + "a" * 3_000}, InvalidRequest, "openai_route"),
        ({"openai_route": "/v1/models", "openai_method": "CONNECT"}, InvalidRequest, "openai_method"),
        ({"openai_route": "/v1/models", "openai_method": 5}, InvalidRequest, "openai_method"),
        ({"openai_route": PATH, "openai_input": [1]}, InvalidRequest, "openai_input"),
        ({"openai_route": MODERATIONS, "openai_input": {"input": float("nan")}}, InvalidRequest, "openai_input"),
        (job(file="no base64!"), InvalidRequest, "file"),
        (job(file={"name": "a"}), InvalidRequest, "file"),
        (job(file={"url": "file:///etc/passwd"}), ForbiddenUrl, "file.url"),
        (job(file="A" * 4_000), PayloadTooLarge, "file"),
        (job(MODERATIONS, input="a" * 4_000), PayloadTooLarge, "openai_input"),
        (job(file=FILE, prompt="\ud800"), InvalidRequest, "openai_input"),
    ],
)
async def test_bad_inputs(job_input: dict[str, Any], kind: type[AntiphonError], param: str) -> None:
    with pytest.raises(kind) as caught:
        await output_of(job_input, context_of(upload_bytes=2_000))
    assert caught.value.param == param
    assert caught.value.message.endswith(".")


async def test_names_and_types_cannot_leave_their_place() -> None:
    backend = StubBackend()
    file = {**FILE, "name": 'a"\r\nx: y', "content_type": "audio/wav\r\nx: y"}
    await output_of(job(file=file, **{'b"\r\nc': "d"}), context_of(backend))
    assert backend.request.content_type == "audio/wavx: y"


async def test_closing_is_leaving() -> None:
    backend = StubBackend((SEGMENTS[0], asyncio.Event()))
    items: Any = CONTRACT.run(job(file=FILE, stream=True), context_of(backend))
    async with asyncio.timeout(5):
        await anext(items)
        assert backend.active == 1
        await items.aclose()
    assert backend.active == 0


async def test_cancelling_is_leaving() -> None:
    backend = StubBackend((asyncio.Event(),))
    task = asyncio.create_task(output_of(job(file=FILE), context_of(backend)))
    async with asyncio.timeout(5):
        while not backend.active:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert backend.active == 0


async def test_a_deadline() -> None:
    backend = StubBackend((asyncio.Event(),))
    with pytest.raises(DeadlineExceeded):
        await output_of(job(file=FILE), context_of(backend, deadline=time.time() + 0.05))
    assert backend.active == 0


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

    items = await items_of(CONTRACT, job(file=FILE, stream=True), context_with(app))
    assert [item.value for item in items if isinstance(item, Chunk)] == [
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
