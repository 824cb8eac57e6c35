"""The ``openai`` package, synchronous and asynchronous, against the application behind a real server."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from deployments.whisper.types import VadOptions
from tests.serve_app.http.conftest import Server
from tests.serve_app.http.stub import CALL, FINISHED, MODELS, SCRIPT, SEGMENTS, TEXT, WAV


def test_json(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(file=WAV, model="whisper-1")
    assert answer.text == TEXT
    assert answer.usage is not None
    assert (answer.usage.type, answer.usage.seconds) == ("duration", 6)
    assert answer.languages is not None
    assert [language.code for language in answer.languages] == ["en"]
    assert answer.logprobs is None


async def test_many_at_once(async_client: AsyncOpenAI, server: Server) -> None:
    server.gateway.script = (0.3, *SCRIPT)
    answers = await asyncio.gather(
        *[async_client.audio.transcriptions.create(file=WAV, model="whisper-1") for _ in range(8)]
    )
    assert [answer.text for answer in answers] == [TEXT] * 8
    assert server.gateway.most_active > 4


@pytest.mark.parametrize(
    ("kind", "start"), [("text", "The birch"), ("srt", "1\n00:00:00,000 --> "), ("vtt", "WEBVTT\n\n00:00:00.000")]
)
def test_texts_and_subtitles(client: OpenAI, kind: Any, start: str) -> None:
    answer = client.audio.transcriptions.create(file=WAV, model="whisper-1", response_format=kind)
    assert isinstance(answer, str)
    assert answer.startswith(start)


def test_verbose_json_with_words_and_segments(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(
        file=WAV, model="whisper-1", response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert (answer.language, answer.duration, answer.text) == ("english", 5.2, TEXT)
    assert answer.segments is not None
    assert answer.words is not None
    assert [s.text for s in answer.segments] == [s.text for s in SEGMENTS]
    assert " ".join(word.word for word in answer.words) == TEXT
    assert answer.usage is not None
    assert answer.usage.seconds == 6


def test_channels_that_are_transcribed_apart(client: OpenAI, server: Server) -> None:
    server.gateway.script = CALL
    answer = client.audio.transcriptions.create(
        file=WAV,
        model="whisper-1",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        extra_body={"channels": "split", "audio_track": "en"},
    )
    assert (server.gateway.request.channels, server.gateway.request.audio_track) == ("split", "en")
    assert answer.segments is not None
    assert answer.words is not None
    channels = [0, 1, 1, 0]
    assert [segment.model_extra for segment in answer.segments] == [{"channel": channel} for channel in channels]
    assert {word.model_extra["channel"] for word in answer.words if word.model_extra} == {0, 1}
    assert answer.model_extra is not None
    assert answer.model_extra["audio_track"]["heard"] == [0, 1]
    assert answer.model_extra["channels"][1]["text"] == "It is <me>. And you?"


def test_a_stream_of_channels(client: OpenAI, server: Server) -> None:
    server.gateway.script = CALL
    *deltas, done = client.audio.transcriptions.create(
        file=WAV, model="whisper-1", stream=True, extra_body={"channels": [0, 1]}
    )
    assert server.gateway.request.channels == (0, 1)
    assert [event.model_extra for event in deltas] == [{"channel": channel} for channel in (0, 1, 1, 0)]
    assert done.type == "transcript.text.done"
    assert "".join(event.delta for event in deltas if event.type == "transcript.text.delta") == done.text
    assert done.model_extra is not None
    assert [entry["channel"] for entry in done.model_extra["channels"]] == [0, 1]
    assert done.usage is not None


def test_logprobs(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(file=WAV, model="whisper-1", include=["logprobs"])
    assert answer.logprobs is not None
    assert (answer.logprobs[0].token, answer.logprobs[0].logprob) == (" The", -0.5)


def test_every_argument_of_the_client_arrives(client: OpenAI, server: Server) -> None:
    client.audio.transcriptions.create(
        file=WAV,
        model="whisper-1",
        chunking_strategy={
            "type": "server_vad",
            "threshold": 0.4,
            "prefix_padding_ms": 200,
            "silence_duration_ms": 700,
        },
        include=["logprobs"],
        keywords=["canoe", "planks"],
        languages=["en", "de"],
        prompt="A poem.",
        response_format="json",
        temperature=0.2,
        timestamp_granularities=["segment"],
    )
    request = server.gateway.request
    assert request.vad == VadOptions(threshold=0.4, speech_pad_ms=200, min_silence_duration_ms=700)
    assert request.languages == ("en", "de")
    assert request.decoding.model_dump(include=request.decoding.model_fields_set) == {
        "token_logprobs": True,
        "hotwords": "canoe, planks",
        "initial_prompt": "A poem.",
        "temperatures": (0.2,),
    }
    assert (request.model, request.file_name, request.content_type) == ("whisper-1", "speech.wav", "audio/wav")


def test_extra_body(client: OpenAI, server: Server) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(
        file=WAV,
        model="whisper-1",
        language="en",
        chunking_strategy="auto",
        extra_body={
            "beam_size": 1,
            "suppress_tokens": [1, 2],
            "condition_on_previous_text": True,
            "vad_parameters": {"min_speech_duration_ms": 90},
            "no_speech_threshold": "none",
            "nobody_knows": 1,
        },
    )
    request = server.gateway.request
    assert request.language == "en"
    assert request.decoding.model_dump(include=request.decoding.model_fields_set) == {
        "beam_size": 1,
        "suppress_tokens": (1, 2),
        "condition_on_previous_text": True,
        "no_speech_threshold": None,
    }
    assert request.vad == VadOptions(min_speech_duration_ms=90)
    assert raw.headers["x-ignored-fields"] == "nobody_knows"
    assert raw.request_id == request.request_id


def test_streaming(client: OpenAI) -> None:
    stream = client.audio.transcriptions.create(file=WAV, model="whisper-1", stream=True)
    *deltas, done = list(stream)
    assert [event.type for event in deltas] == ["transcript.text.delta"] * 2
    assert done.type == "transcript.text.done"
    assert "".join(event.delta for event in deltas if event.type == "transcript.text.delta") == done.text == TEXT


async def test_streaming_asynchronously(async_client: AsyncOpenAI) -> None:
    stream = await async_client.audio.transcriptions.create(file=WAV, model="whisper-1", stream=True)
    events = [event async for event in stream]
    assert [event.type for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]


def test_a_stream_that_is_closed_stops_the_work(client: OpenAI, server: Server) -> None:
    server.gateway.script = (SEGMENTS[0], 60.0, FINISHED)
    stream = client.audio.transcriptions.create(file=WAV, model="whisper-1", stream=True)
    assert next(stream).type == "transcript.text.delta"
    assert server.gateway.closed == 0
    stream.close()
    until(lambda: server.gateway.closed == 1)


async def test_a_client_that_gives_up_stops_the_work(async_client: AsyncOpenAI, server: Server) -> None:
    server.gateway.script = (SEGMENTS[0], 60.0, FINISHED)
    with pytest.raises(openai.APITimeoutError):
        await async_client.audio.transcriptions.create(file=WAV, model="whisper-1", timeout=0.3)
    await asyncio.to_thread(until, lambda: server.gateway.closed == 1)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_large_files(client: OpenAI, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "long.mp3"
    path.write_bytes(b"\xff\xfb" * 1_200_000)
    assert client.audio.transcriptions.create(file=path, model="whisper-1").text == TEXT
    (upload,) = server.gateway.uploads
    assert upload is not None
    assert upload.data.tobytes() == path.read_bytes()
    assert server.gateway.request.file_name == "long.mp3"


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_translations(client: OpenAI, server: Server) -> None:
    assert client.audio.translations.create(file=WAV, model="whisper-1").text == TEXT
    assert server.gateway.request.task == "translate"
    answer = client.audio.translations.create(file=WAV, model="whisper-1", response_format="verbose_json")
    assert (answer.language, answer.duration) == ("english", 5.2)


def test_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [entry.id for entry in MODELS]
    assert client.models.retrieve("whisper-1").id == "whisper-1"
    assert client.models.retrieve("omni-moderation-latest").id == "omni-moderation-latest"
    assert client.models.retrieve("org/some-name").owned_by == "antiphon"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")
