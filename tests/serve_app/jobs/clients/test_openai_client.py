"""The ``openai`` package at the endpoint of a job service."""

import io
import json
from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI

from deployments.errors import InvalidRequest
from media.encode import encode
from tests.serve_app.http.server import wait_until
from tests.serve_app.http.speech_stub import RATE, tone
from tests.serve_app.http.stub import FINISHED, SEGMENTS, TEXT, StubGateway
from tests.serve_app.jobs.clients.site import KEY, Served

WAV = ("speech.wav", b"RIFF....WAVEfmt ", "audio/wav")


def client_at(served: Served, endpoint: str, key: str = KEY) -> OpenAI:
    return OpenAI(base_url=f"{served.url}/v2/{endpoint}/openai/v1", api_key=key, max_retries=0)


@pytest.fixture
def transcribe(served: Served) -> Iterator[OpenAI]:
    with client_at(served, "transcribe") as client:
        yield client


@pytest.fixture
def classify(served: Served) -> Iterator[OpenAI]:
    with client_at(served, "classify") as client:
        yield client


def test_moderation(classify: OpenAI) -> None:
    found = classify.moderations.create(input=["All hate.", "All good."], model="omni-moderation-latest")
    assert [result.flagged for result in found.results] == [True, False]


def test_a_transcription_of_a_file(transcribe: OpenAI, gateway: StubGateway) -> None:
    file = ("speech.wav", bytes(range(256)) * 400, "audio/wav")
    found = transcribe.audio.transcriptions.create(file=file, model="whisper-1", language="en", temperature=0.2)
    assert found.text == TEXT
    (upload,) = gateway.uploads
    assert upload is not None
    assert upload.data.tobytes() == file[1]
    assert gateway.request.language == "en"


def test_speech(served: Served) -> None:
    with client_at(served, "speech") as client:
        asked = {"model": "tts-1", "voice": "alloy", "input": "Hello there, friend."}
        sound = client.audio.speech.create(**asked, response_format="flac")  # type: ignore[arg-type]
        assert sound.content == encode(tone(served.gateway.spoken), "flac", RATE), "a whole file"
        assert sound.response.headers["x-cut"] == "false"
        assert sound.response.headers["content-type"] == "audio/flac"
        with client.audio.speech.with_streaming_response.create(
            **asked,
            response_format="pcm",
            stream_format="sse",  # type: ignore[arg-type]
        ) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: {")]
    assert [event["type"] for event in events[-2:]] == ["speech.audio.delta", "speech.audio.done"]


def test_words(transcribe: OpenAI) -> None:
    found = transcribe.audio.transcriptions.create(
        file=WAV,
        model="whisper-1",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert found.words is not None
    assert found.words[1].word.strip() == "birch"
    assert found.segments is not None
    assert [segment.end for segment in found.segments] == [2.5, 5.04]


@pytest.mark.parametrize(("kind", "begin"), [("srt", "1\n00:00:00,000"), ("vtt", "WEBVTT"), ("text", "The birch")])
def test_texts(transcribe: OpenAI, kind: str, begin: str) -> None:
    found = transcribe.audio.transcriptions.create(file=WAV, model="whisper-1", response_format=kind)  # type: ignore[call-overload]
    assert str(found).startswith(begin)


def test_a_stream(transcribe: OpenAI, gateway: StubGateway) -> None:
    gateway.script = (*gateway.script[:2], 0.5, *gateway.script[2:])
    stream = transcribe.audio.transcriptions.create(file=WAV, model="whisper-1", stream=True)
    first = next(stream)
    assert gateway.active == 1  # the rest is still to be done
    assert (first.type, first.delta.strip()) == ("transcript.text.delta", SEGMENTS[0].text.strip())
    *_, last = stream
    assert (last.type, last.text) == ("transcript.text.done", TEXT)


def test_leaving_a_stream_stops_the_work(transcribe: OpenAI, gateway: StubGateway) -> None:
    gateway.script = (*gateway.script[:2], 60.0, FINISHED)
    stream = transcribe.audio.transcriptions.create(file=WAV, model="whisper-1", stream=True)
    next(stream)
    stream.close()
    wait_until(lambda: gateway.active == 0)


def test_models(classify: OpenAI) -> None:
    assert "sample-classifier" in [model.id for model in classify.models.list()]


def test_errors(served: Served, transcribe: OpenAI, gateway: StubGateway) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        transcribe.audio.transcriptions.create(file=WAV, model="nobody")
    assert missing.value.code == "model_not_found"
    assert missing.value.param == "model"
    with pytest.raises(openai.BadRequestError, match="language"):
        transcribe.audio.transcriptions.create(file=WAV, model="whisper-1", language="klingon", stream=True)
    with pytest.raises(openai.BadRequestError, match=r"The file is empty\."):
        transcribe.audio.transcriptions.create(file=("a.wav", io.BytesIO(), "audio/wav"), model="whisper-1")
    with client_at(served, "transcribe", "wrong") as stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    with client_at(served, "nowhere") as lost, pytest.raises(openai.NotFoundError, match="no endpoint 'nowhere'"):
        lost.models.list()


def test_a_stream_that_fails(transcribe: OpenAI, gateway: StubGateway) -> None:
    gateway.script = (*gateway.script[:2], 0.2, InvalidRequest("The rest is silence."))
    stream = transcribe.audio.transcriptions.create(file=WAV, model="whisper-1", stream=True)
    next(stream)
    with pytest.raises(openai.APIError) as failed:
        next(stream)
    assert "The rest is silence." in json.dumps(failed.value.body)
