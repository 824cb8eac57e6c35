"""The contract of RunPod's faster-whisper worker."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from deployments.errors import ForbiddenUrl, InternalError, InvalidRequest, ModelNotFound, Overloaded
from deployments.whisper.types import Clip, TranscriptionEvent, TranscriptionRequest, VadOptions
from serve_app.contracts import by_name
from serve_app.contracts.contract import JobProgress, JobResult
from serve_app.fields.audio import Upload
from tests.serve_app.contracts.support import URL, context_of, items_of, output_of, refusal_of
from tests.serve_app.http.stub import CALL, FINISHED, SCRIPT, SEGMENTS, StubGateway, segment

CONTRACT = by_name("faster-whisper")
DEFAULT_OUTPUT = {
    "segments",
    "detected_language",
    "transcription",
    "translation",
    "device",
    "model",
}
# The worker's own example.
EXAMPLE = {
    "audio": "https://github.com/runpod-workers/sample-inputs/raw/main/audio/gettysburg.wav",
    "model": "sample-asr",
    "transcription": "plain text",
    "translate": False,
    "temperature": 0,
    "best_of": 5,
    "beam_size": 5,
    "suppress_tokens": "-1",
    "condition_on_previous_text": False,
    "temperature_increment_on_fallback": 0.2,
    "compression_ratio_threshold": 2.4,
    "logprob_threshold": -1,
    "no_speech_threshold": 0.6,
}


async def test_the_workers_own_example() -> None:
    gateway = StubGateway()
    items = await items_of(CONTRACT, EXAMPLE, context_of(gateway, deadline=99.0))
    progress, result = items
    assert isinstance(progress, JobProgress)
    assert progress.value == {"step": "transcribe", "processed_seconds": 2.5, "total_seconds": 5.2}
    assert isinstance(result, JobResult)
    output = result.value
    assert output.keys() == DEFAULT_OUTPUT
    assert (output["detected_language"], output["device"], output["model"]) == ("en", "cpu", "sample-asr")
    assert output["transcription"] == " ".join(segment.text.strip() for segment in SEGMENTS)
    assert output["translation"] is None
    keys = {"id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob", "compression_ratio"}
    assert output["segments"][0].keys() == keys | {"no_speech_prob"}
    request, decoding = gateway.request, gateway.request.decoding
    assert (request.url, request.vad, request.deadline) == (EXAMPLE["audio"], None, 99.0)
    assert decoding.temperatures == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert (decoding.length_penalty, decoding.condition_on_previous_text) == (0.0, False)
    assert (decoding.log_prob_threshold, decoding.suppress_tokens) == (-1.0, (-1,))


async def test_the_workers_defaults() -> None:
    gateway = StubGateway()
    output = await output_of({"audio": URL}, context_of(gateway))
    assert output["model"] == "sample-asr"
    assert gateway.request.model is None
    assert gateway.request.decoding.condition_on_previous_text is True
    assert gateway.request.decoding.beam_size == 5
    output = await output_of({"audio": URL, "enable_vad": True}, context_of(gateway, model="large"))
    assert output["model"] == "large"
    assert gateway.requests[1].model == "large"
    assert gateway.requests[1].vad is not None


async def test_options_of_voice_activity_detection() -> None:
    gateway = StubGateway()
    parameters = {"threshold": 0.6, "min_silence_duration_ms": 300, "max_speech_duration_s": None}
    await output_of({"audio": URL, "enable_vad": True, "vad_parameters": parameters}, context_of(gateway))
    assert gateway.request.vad == VadOptions(threshold=0.6, min_silence_duration_ms=300)


async def test_options_that_http_has_and_the_worker_has_not() -> None:
    gateway = StubGateway()
    more = {"hotwords": "a, b", "no_repeat_ngram_size": 3, "log_prob_threshold": -0.5, "clip_timestamps": "1,2"}
    await output_of({"audio": URL, **more, "prefix": None}, context_of(gateway))
    request, decoding = gateway.request, gateway.request.decoding
    assert (decoding.hotwords, decoding.no_repeat_ngram_size, decoding.log_prob_threshold) == ("a, b", 3, -0.5)
    assert (request.clips, request.vad) == ((Clip(start=1, end=2),), None)
    await output_of({"audio": URL, "chunking_strategy": {"type": "server_vad"}}, context_of(gateway))
    assert gateway.requests[1].vad == VadOptions()


async def test_bytes() -> None:
    gateway = StubGateway()
    await output_of({"audio_base64": base64.b64encode(b"sound").decode()}, context_of(gateway))
    assert gateway.uploads[0] is not None
    assert gateway.uploads[0].data.tobytes() == b"sound"


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        ("plain_text", "The birch canoe slid on the smooth planks. Glue"),
        ("formatted_text", "The birch canoe slid on the smooth planks.\nGlue"),
        ("srt", "1\n00:00:00,000 --> 00:00:02,500\nThe birch"),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nThe birch"),
        ("anything", "The birch canoe slid on the smooth planks. Glue"),
    ],
)
async def test_formats(kind: str, begins: str) -> None:
    output = await output_of({"audio": URL, "transcription": kind})
    assert output["transcription"].startswith(begins)


async def test_words() -> None:
    output = await output_of({"audio": URL, "word_timestamps": True})
    assert output["word_timestamps"][0] == {"word": " The", "start": 0.0, "end": 0.312}
    assert len(output["word_timestamps"]) == 16


class Bilingual(StubGateway):
    """Says something else when it translates."""

    async def transcribe(
        self, request: TranscriptionRequest, upload: Upload | None = None
    ) -> AsyncGenerator[TranscriptionEvent, None]:
        self.script = SCRIPT if request.task == "transcribe" else (segment(0, " In English.", 0.0, 1.0), FINISHED)
        async with aclosing(super().transcribe(request, upload)) as events:
            async for event in events:
                yield event


async def test_a_translation_is_a_second_pass_with_the_same_options() -> None:
    gateway = Bilingual()
    job_input = {"audio": URL, "translate": True, "translation": "srt", "initial_prompt": "Anna", "beam_size": 3}
    output = await output_of({**job_input, "word_timestamps": True}, context_of(gateway))
    assert output["transcription"].startswith("The birch")
    assert output["translation"] == "1\n00:00:00,000 --> 00:00:01,000\nIn English.\n"
    first, second = gateway.requests
    assert (first.task, second.task) == ("transcribe", "translate")
    assert (second.decoding.beam_size, second.decoding.initial_prompt) == (3, "Anna")
    assert (first.decoding.word_timestamps, second.decoding.word_timestamps) == (True, False)


class Crowded(Bilingual):
    """Has no room for the first try of a translation."""

    async def transcribe(
        self, request: TranscriptionRequest, upload: Upload | None = None
    ) -> AsyncGenerator[TranscriptionEvent, None]:
        if request.task == "translate" and len(self.requests) == 1:
            self.requests.append(request)
            raise Overloaded("Full.", retry_after_s=0)
        async with aclosing(super().transcribe(request, upload)) as events:
            async for event in events:
                yield event


async def test_the_second_pass_waits_for_room() -> None:
    gateway = Crowded()
    output = await output_of({"audio": URL, "translate": True}, context_of(gateway))
    assert output["translation"] == "In English."
    assert [request.task for request in gateway.requests] == ["transcribe", "translate", "translate"]


async def test_every_mistake_has_a_line() -> None:
    job_input = {"audio": URL, "beam_size": "5", "translate": 1, "beams": 5, "patience": None}
    assert (await refusal_of(CONTRACT, job_input)).splitlines() == [
        "Unexpected input. beams is not a valid input option.",
        "translate should be <class 'bool'> type, not <class 'int'>.",
        "beam_size should be <class 'int'> type, not <class 'str'>.",
        "patience should be <class 'float'> type, not <class 'NoneType'>.",
    ]


@pytest.mark.parametrize(
    ("job_input", "sentence"),
    [
        ({}, "Must provide either audio or audio_base64"),
        ({"audio": ""}, "Must provide either audio or audio_base64"),
        ({"audio": URL, "audio_base64": "AAAA"}, "Must provide either audio or audio_base64, not both"),
    ],
)
async def test_one_source(job_input: dict[str, Any], sentence: str) -> None:
    assert await refusal_of(CONTRACT, job_input) == sentence


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"audio": "file:///etc/passwd"}, ForbiddenUrl),
        ({"model": "base"}, ModelNotFound),
        ({"model": "sample-classifier"}, InvalidRequest),
        ({"temperature": 3}, InvalidRequest),
        ({"temperature": 10**400}, InvalidRequest),
        ({"temperature": float("nan")}, InvalidRequest),
        ({"temperature_increment_on_fallback": 0.001}, InvalidRequest),
        ({"temperature_increment_on_fallback": 5e-324}, InvalidRequest),
        ({"beam_size": 10**400}, InvalidRequest),
        ({"suppress_tokens": "all"}, InvalidRequest),
        ({"language": "klingon"}, InvalidRequest),
        ({"enable_vad": True, "vad_parameters": {"threshold": 2}}, InvalidRequest),
        ({"enable_vad": True, "vad_parameters": {"onset": 0.5}}, InvalidRequest),
        ({"enable_vad": True, "vad_parameters": [0.5]}, InvalidRequest),
        ({"enable_vad": True, "vad_filter": False}, InvalidRequest),
        ({"logprob_threshold": -1.0, "log_prob_threshold": -2.0}, InvalidRequest),
        ({"hotwords": {"a": 1}}, InvalidRequest),
    ],
)
async def test_refusals(changes: dict[str, Any], kind: type[Exception]) -> None:
    gateway = StubGateway()
    with pytest.raises(kind):
        await output_of({"audio": URL, **changes}, context_of(gateway), "transcription")
    assert not gateway.requests


@pytest.mark.parametrize("changes", [{}, {"enable_vad": False}])
async def test_options_of_a_detection_that_is_off(changes: dict[str, Any]) -> None:
    sentence = await refusal_of(CONTRACT, {"audio": URL, "vad_parameters": {"threshold": 0.6}, **changes})
    assert sentence == "`vad_parameters` does nothing while `enable_vad` is false; set it to true."
    assert (await output_of({"audio": URL, "vad_parameters": {}, **changes}))["transcription"]


@pytest.mark.parametrize(
    ("temperature", "step", "ladder"),
    [(0, 0, (0.0,)), (0.5, 0.25, (0.5, 0.75, 1.0)), (1, 0.2, (1.0,)), (0.3, 0.2, (0.3, 0.5, 0.7, 0.9))],
)
async def test_ladders(temperature: float, step: float, ladder: tuple[float, ...]) -> None:
    gateway = StubGateway()
    job_input = {"audio": URL, "temperature": temperature, "temperature_increment_on_fallback": step}
    await output_of(job_input, context_of(gateway))
    assert gateway.request.decoding.temperatures == ladder


async def test_an_end_that_never_came() -> None:
    with pytest.raises(InternalError):
        await output_of({"audio": URL}, context_of(StubGateway((SEGMENTS[0],))))


async def test_closing_stops_the_work() -> None:
    gateway = StubGateway((SCRIPT[2], asyncio.Event()))
    items: Any = CONTRACT.run({"audio": URL}, context_of(gateway))
    async with asyncio.timeout(5):
        await anext(items)
        assert gateway.active == 1
        await items.aclose()
    assert gateway.active == 0


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("plain_text", "[channel 0] Who is it?\n[channel 1] It is <me>. And you?\n[channel 0] I am, too."),
        ("srt", "1\n00:00:00,000 --> 00:00:02,000\n[channel 0] Who is it?\n"),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n<v channel 0>Who is it?\n"),
    ],
)
async def test_channels_that_are_transcribed_apart(kind: str, text: str) -> None:
    gateway = StubGateway(CALL)
    job = {"audio": URL, "channels": "split", "audio_track": 1, "transcription": kind, "word_timestamps": True}
    output = await output_of(job, context_of(gateway))
    assert (gateway.request.channels, gateway.request.audio_track) == ("split", 1)
    assert output["transcription"].startswith(text)
    assert [segment["channel"] for segment in output["segments"]] == [0, 1, 1, 0]
    assert {word["channel"] for word in output["word_timestamps"]} == {0, 1}
