"""Jobs that are requests to speak: sound as bytes, and as server-sent events."""

import base64
import json
from typing import Any

import pytest

from deployments.errors import ModelUnavailable
from serve_app.contracts.contract import Attachment, JobResult
from serve_app.contracts.fish_speech.input import seed_of
from serve_app.contracts.openai.contract import OpenAiMistake
from serve_app.contracts.openai.request import wants_stream
from serve_app.gateway.model_index import ModelIndex
from tests.serve_app.contracts.openai.job import CONTRACT, job
from tests.serve_app.contracts.support import chunks_of, context_of, items_of, output_of
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.speech_stub import SPEECH_MODEL
from tests.serve_app.http.stub import ask

SPEECH = "/v1/audio/speech"
BODY = {"input": "Hello there, friend.", "model": "tts-1", "voice": "alloy", "seed": 5}


async def direct(body: dict[str, Any], path: str = SPEECH) -> bytes:
    return (await ask(SpeakingGateway(), body, path)).raise_for_status().content


@pytest.mark.parametrize("kind", ["mp3", "wav", "pcm", "flac", "aac"])
async def test_the_bytes_of_http(kind: str) -> None:
    body = {**BODY, "response_format": kind}
    found = await output_of(job(SPEECH, **body), context_of(SpeakingGateway()))
    assert base64.b64decode(found.pop("data")) == await direct({**body, "stream": False}), "nobody waits for parts"
    assert found == {"content_type": "audio/mpeg" if kind == "mp3" else f"audio/{kind}", "cut": False}


async def test_a_file_is_no_text_of_a_job() -> None:
    (item,) = await items_of(CONTRACT, job(SPEECH, **BODY, stream=True), context_of(SpeakingGateway()))
    file = Attachment("data", await direct({**BODY, "stream": False}), "audio/mpeg")
    assert item == JobResult({"content_type": "audio/mpeg", "cut": False}, file)


async def test_what_was_cut_or_ignored() -> None:
    gateway = SpeakingGateway()
    gateway.models = ModelIndex([SPEECH_MODEL.model_copy(update={"instructions": "ignored"})])
    gateway.cut = True
    found = await output_of(job(SPEECH, **BODY, instructions="Whisper.", mood="sad"), context_of(gateway))
    assert (found["cut"], found["ignored_fields"]) == (True, ["mood", "instructions"])
    (*_, done, _) = await chunks_of(CONTRACT, job(SPEECH, **BODY, stream_format="sse"), context_of(gateway))
    assert json.loads(done.value.removeprefix("data: "))["cut"] is True


@pytest.mark.parametrize("stream", ["yes", 1])
async def test_a_stream_that_is_none_is_refused_as_over_http(stream: Any) -> None:
    with pytest.raises(OpenAiMistake, match="`stream` has to be"):
        await output_of(job(SPEECH, **BODY, stream=stream), context_of(SpeakingGateway()))


async def test_events() -> None:
    body = {**BODY, "response_format": "pcm", "stream_format": "sse"}
    gateway = SpeakingGateway()
    chunks = await chunks_of(CONTRACT, job(SPEECH, **body), context_of(gateway))
    assert "".join(chunk.value for chunk in chunks).encode() == await direct(body)
    events = [json.loads(chunk.value.removeprefix("data: ")) for chunk in chunks[:-1]]
    sound = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert sound == await direct({**BODY, "response_format": "pcm"})
    assert [event["type"] for event in events[-2:]] == ["speech.audio.delta", "speech.audio.done"]


@pytest.mark.parametrize("route", [SPEECH, "v1/audio/speech", "/v1/audio/speech?a=1", "/v1/audio%2Fspeech"])
async def test_the_seed_is_the_jobs(route: str) -> None:
    gateway = SpeakingGateway()
    await output_of(job(route, **{**BODY, "seed": None}), context_of(gateway))
    await output_of(job(route, **BODY), context_of(gateway))
    assert [asked.sampling.seed for asked in gateway.speech_requests] == [seed_of("job-1"), 5]


async def test_fish_speechs_own_route() -> None:
    body = {"text": "Hello.", "seed": 5, "format": "flac"}
    found = await output_of(job("/v1/tts", **body), context_of(SpeakingGateway()))
    assert base64.b64decode(found["data"]) == await direct(body, "/v1/tts")


async def test_an_error_without_a_body() -> None:
    with pytest.raises(OpenAiMistake, match="answered 405 Method Not Allowed") as caught:
        await output_of({"openai_route": "/v1/tts"}, context_of(SpeakingGateway()))
    assert caught.value.status == 405


async def test_errors() -> None:
    gateway = SpeakingGateway()
    with pytest.raises(OpenAiMistake, match="`input` is empty"):
        await output_of(job(SPEECH, **{**BODY, "input": ""}), context_of(gateway))
    gateway.hindrances = {0: ModelUnavailable("It is loading.")}
    with pytest.raises(ModelUnavailable, match="It is loading"):
        await output_of(job(SPEECH, **BODY), context_of(gateway))


@pytest.mark.parametrize(
    ("route", "body", "wanted"),
    [
        (SPEECH, {"stream_format": "sse"}, True),
        ("v1/audio/speech?a=1", {"stream_format": "sse"}, True),
        (SPEECH, {"stream_format": "audio", "stream": True}, False),
        (SPEECH, {"stream": True}, False),
        (SPEECH, {"stream_format": ["sse"]}, False),
        ("/v1/audio/transcriptions", {"stream": "true"}, True),
        ("/v1/audio/transcriptions", {"stream_format": "sse"}, False),
        ("/v1/audio/transcriptions", {"stream": [True]}, False),
        (None, {"stream": True}, True),
        (5, None, False),
        (SPEECH, "text", False),
    ],
)
def test_who_wants_a_stream(route: Any, body: Any, wanted: bool) -> None:
    job_input = {"openai_route": route, "openai_input": body}
    assert wants_stream(job_input) is wanted
    assert CONTRACT.streams(job_input) is wanted
