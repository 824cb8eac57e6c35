"""Jobs that are requests to the server's own HTTP API."""

import asyncio
import json
from typing import Any

import pytest

from tests.serve_app.contracts.openai.job import CONTRACT, FILE, job
from tests.serve_app.contracts.support import URL, chunks_of, context_of, output_of
from tests.serve_app.http.stub import MODERATIONS, SCRIPT, SEGMENTS, TEXT, WAV, StubGateway, ask, post


async def test_a_route_without_a_body_is_a_get() -> None:
    models = await output_of({"openai_route": "/v1/models"})
    assert models["object"] == "list"
    assert await output_of({"openai_route": "v1/models"}) == models
    one = await output_of({"openai_route": "/v1/models/org%2Fsome-name", "openai_method": "get"})
    assert one["root"] == "sample-asr"


async def test_moderation_as_over_http() -> None:
    body = {"input": ["some hate", "nothing"], "model": "guard"}
    found = await output_of(job(MODERATIONS, **body))
    direct = (await ask(StubGateway(), body, MODERATIONS)).json()
    assert {**found, "id": ""} == {**direct, "id": ""}


@pytest.mark.parametrize("kind", ["json", "verbose_json", "text", "srt", "vtt"])
async def test_transcription_as_over_http(kind: str) -> None:
    gateway = StubGateway()
    found = await output_of(job(file=FILE, model="whisper-1", response_format=kind), context_of(gateway))
    direct = await post(StubGateway(), {"model": "whisper-1", "response_format": kind})
    assert found == (direct.json() if kind.endswith("json") else direct.text)
    assert gateway.uploads[0] is not None
    assert gateway.uploads[0].data.tobytes() == WAV[1]
    assert (gateway.request.file_name, gateway.request.content_type) == (WAV[0], WAV[2])
    assert gateway.request.request_id == "job-1"


async def test_fields_as_the_openai_package_sends_them() -> None:
    gateway = StubGateway()
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
    found = await output_of(job(file=FILE, **body), context_of(gateway))
    assert found["words"][0]["word"] == "The"
    request = gateway.request
    assert (request.decoding.temperatures, request.decoding.beam_size) == ((0.0, 0.5), 3)
    assert request.decoding.hotwords == "canoe, wooden"
    assert request.vad is not None
    assert request.vad.threshold == 0.25


@pytest.mark.parametrize("body", [{"url": URL}, {"file": {"url": URL}}])
async def test_an_address_instead_of_a_file(body: dict[str, Any]) -> None:
    gateway = StubGateway()
    assert (await output_of(job(**body), context_of(gateway)))["text"] == TEXT
    assert gateway.request.url == URL


@pytest.mark.parametrize("file", [FILE["data"], f"data:audio/flac;base64,{FILE['data']}", {"data": FILE["data"]}])
async def test_shorter_files(file: Any) -> None:
    gateway = StubGateway()
    await output_of(job(file=file), context_of(gateway))
    expected = "audio/flac" if str(file).startswith("data:") else "application/octet-stream"
    assert gateway.request.content_type == expected


async def test_the_endpoints_model() -> None:
    gateway = StubGateway()
    await output_of(job(file=FILE), context_of(gateway, model="large"))
    await output_of(job(file=FILE, model="sample-asr"), context_of(gateway, model="large"))
    await output_of(job(MODERATIONS, input="a"), context_of(gateway, model="guard"))
    assert [request.model for request in gateway.requests] == ["large", "sample-asr"]
    assert gateway.questions[0].model == "guard"


async def test_a_stream() -> None:
    job_input = job(file=FILE, stream=True)
    items = await chunks_of(CONTRACT, job_input, context_of())
    assert [(item.start, item.end) for item in items] == [(n, n + 1) for n in range(4)]
    texts = [item.value for item in items]
    assert all(text.startswith("data: ") and text.endswith("\n\n") for text in texts)
    assert texts[-1] == "data: [DONE]\n\n"
    events = [json.loads(text.removeprefix("data: ")) for text in texts[:-1]]
    assert [event["type"] for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert events[-1]["text"] == TEXT
    direct = await post(StubGateway(), {"stream": "true"})
    assert "".join(texts) == direct.text


async def test_chunks_come_as_they_are_made() -> None:
    gate = asyncio.Event()
    items: Any = CONTRACT.run(job(file=FILE, stream=True), context_of(StubGateway((SEGMENTS[0], gate, *SCRIPT))))
    async with asyncio.timeout(5):
        assert "The birch canoe" in (await anext(items)).value
        gate.set()
        assert len([item async for item in items]) == 4


async def test_a_route_that_does_not_stream_has_one_chunk() -> None:
    (text,) = await output_of(job(MODERATIONS, input="a", stream=True))
    assert json.loads(text)["results"]


async def test_names_and_types_cannot_leave_their_place() -> None:
    gateway = StubGateway()
    file = {**FILE, "name": 'a"\r\nx: y', "content_type": "audio/wav\r\nx: y"}
    await output_of(job(file=file, **{'b"\r\nc': "d"}), context_of(gateway))
    assert gateway.request.content_type == "audio/wavx: y"
