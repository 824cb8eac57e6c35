"""Transcription by gRPC: what a request may ask for, whole transcripts, events, failures on the way."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc.aio import Channel

from deployments.errors import InternalError, ModelUnavailable, UndecodableAudio
from deployments.whisper.types import Finished, Progress, Started
from serve_app.fields.form_values import MAX_FIELDS, MAX_TEXT_BYTES
from serve_app.grpc.protos import transcription_pb2
from serve_app.grpc.protos.transcription_pb2 import TranscribeRequest, TranscriptionEvent
from serve_app.grpc.protos.transcription_pb2_grpc import TranscriptionStub
from tests.serve_app.grpc.conftest import refusal, trailing
from tests.serve_app.http.stub import CALL, SCRIPT, SEGMENTS, TEXT, StubGateway, segment

AUDIO = b"RIFF....WAVEfmt "
URL = "https://example.com/a.wav"


@pytest.fixture
def stub(channel: Channel) -> Any:
    """A client."""
    return TranscriptionStub(channel)


async def test_a_file_becomes_a_transcript(stub: Any, gateway: StubGateway) -> None:
    answer = await stub.Transcribe(TranscribeRequest(audio=AUDIO))
    assert answer.text == TEXT
    assert (answer.language, answer.model) == ("en", "sample-asr")
    assert answer.language_probability == pytest.approx(0.98)
    assert (answer.duration, answer.speech_duration) == (5.2, 5.0)
    assert [(s.id, s.start, s.end, s.text) for s in answer.segments] == [
        (s.id, s.start, s.end, s.text) for s in SEGMENTS
    ]
    first = answer.segments[0]
    assert (first.language, first.temperature, first.avg_logprob, first.compression_ratio) == (
        "en",
        0,
        -0.25,
        1.25,
    )
    assert first.no_speech_prob == pytest.approx(0.01)
    assert [word.word for word in first.words] == [word.word for word in SEGMENTS[0].words]
    assert first.words[1].start == SEGMENTS[0].words[1].start
    assert first.words[1].probability == pytest.approx(0.9)
    assert not first.classification
    (upload,) = gateway.uploads
    assert upload is not None
    assert upload.data.tobytes() == AUDIO
    assert (gateway.request.task, gateway.request.url, gateway.request.file_name) == ("transcribe", None, None)


async def test_a_classifier_scores_segments(stub: Any, gateway: StubGateway) -> None:
    gateway.script = (segment(0, " Bad words.", 0, 1, classification={"hate": 0.75, "neutral": 0.25}), SCRIPT[-1])
    answer = await stub.Transcribe(TranscribeRequest(audio=AUDIO))
    assert dict(answer.segments[0].classification) == {"hate": 0.75, "neutral": 0.25}


async def test_channels_and_the_track(stub: Any, gateway: StubGateway) -> None:
    gateway.script = CALL
    request = TranscribeRequest(audio=AUDIO, fields={"channels": "split", "audio_track": "1"})
    answer = await stub.Transcribe(request)
    assert (gateway.request.channels, gateway.request.audio_track) == ("split", 1)
    assert [segment.channel for segment in answer.segments] == [0, 1, 1, 0]
    assert all(segment.HasField("channel") for segment in answer.segments)
    track = answer.audio_track
    assert (track.index, track.codec, track.sample_rate, track.channels) == (1, "opus", 48_000, 2)
    assert (list(track.heard), track.apart, track.language, track.title) == ([0, 1], True, "en", "the call")
    events = [event async for event in stub.StreamTranscription(request)]
    assert events[0].started.audio_track == events[-1].finished.audio_track == track


async def test_without_a_choice_no_channel_is_named(stub: Any) -> None:
    answer = await stub.Transcribe(TranscribeRequest(audio=AUDIO))
    assert not any(segment.HasField("channel") for segment in answer.segments)


async def test_every_option_arrives(stub: Any, gateway: StubGateway) -> None:
    await stub.Transcribe(
        TranscribeRequest(
            audio=b"\0\0" * 100,
            content_type="audio/pcm;rate=16000",
            file_name="C:\\sounds\\Grüße.raw",
            model="org/some-name",
            language="German",
            task=transcription_pb2.TASK_TRANSLATE,
            fields={
                "prompt": "Anna, Bert",
                "beam_size": "1",
                "temperature": "0,0.4",
                "word_timestamps": "true",
                "vad_parameters": '{"threshold": 0.25}',
            },
        )
    )
    asked = gateway.request
    assert (asked.task, asked.language, asked.model) == ("translate", "de", "org/some-name")
    assert (asked.content_type, asked.file_name) == ("audio/pcm;rate=16000", "Grüße.raw")
    assert (asked.decoding.initial_prompt, asked.decoding.beam_size) == ("Anna, Bert", 1)
    assert asked.decoding.temperatures == (0.0, 0.4)
    assert asked.decoding.word_timestamps
    assert asked.vad is not None
    assert asked.vad.threshold == 0.25


async def test_a_url_is_left_to_the_replica(stub: Any, gateway: StubGateway) -> None:
    await stub.Transcribe(TranscribeRequest(url=URL, task=transcription_pb2.TASK_TRANSCRIBE))
    assert gateway.request.url == URL
    assert gateway.uploads == [None]


async def test_what_nobody_knows_is_ignored_and_told(stub: Any) -> None:
    call = stub.Transcribe(TranscribeRequest(url=URL, fields={"speed": "2", "größe": "1", "beam_size": "2"}))
    await call
    told = dict(await call.trailing_metadata())
    assert set(told["x-ignored-fields"].split(", ")) == {"speed", "gr%C3%B6%C3%9Fe"}


@pytest.mark.parametrize(
    ("sent", "said", "param"),
    [
        ({}, "The audio is missing: send it as `audio`, or its address as `url`.", "audio"),
        ({"audio": b""}, "The audio is missing: send it as `audio`, or its address as `url`.", "audio"),
        ({"url": ""}, "The audio is missing: send it as `audio`, or its address as `url`.", "audio"),
        ({"audio": AUDIO, "task": 7}, "`task` is 7, which is no task.", "task"),
        ({"audio": AUDIO, "language": "klingon"}, "klingon", "language"),
        ({"audio": AUDIO, "model": "x" * 300}, "`model`", "model"),
        ({"audio": AUDIO, "fields": {"beam_size": "many"}}, "`beam_size` ", "beam_size"),
        ({"audio": AUDIO, "fields": {"diarize": "true"}}, "`diarize` cannot be honoured", "diarize"),
        (
            {"audio": AUDIO, "fields": {"url": URL}},
            "`fields` holds `url`; send it as the request's own `url`.",
            "fields",
        ),
        (
            {"audio": AUDIO, "fields": {"file": "x"}},
            "`fields` holds `file`; send it as the request's own `audio`.",
            "fields",
        ),
        (
            {"audio": AUDIO, "fields": {"timestamp_granularities[]": "word"}},
            "`fields` holds `timestamp_granularities`, which is about the format of HTTP's answers; leave it out.",
            "fields",
        ),
        ({"audio": AUDIO, "fields": {"prompt": "x" * MAX_TEXT_BYTES}}, "`fields` may have", "fields"),
        ({"audio": AUDIO, "fields": {f"f{i}": "" for i in range(MAX_FIELDS + 1)}}, "`fields` may have", "fields"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_mistakes_are_named(
    stub: Any, gateway: StubGateway, sent: dict[str, Any], said: str, param: str, stream: bool
) -> None:
    request = TranscribeRequest(**sent)
    error = await refusal(collected(stub, request) if stream else stub.Transcribe(request))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert said in str(error.details())
    assert trailing(error)["error-param"] == param
    assert not gateway.requests


async def collected(stub: Any, request: TranscribeRequest) -> list[TranscriptionEvent]:
    """All events of a stream."""
    return [event async for event in stub.StreamTranscription(request)]


async def test_events_come_one_by_one(stub: Any, gateway: StubGateway) -> None:
    more = asyncio.Event()
    gateway.script = (*SCRIPT[:2], more, *SCRIPT[2:])
    events = []
    async with asyncio.timeout(10):
        async for event in stub.StreamTranscription(TranscribeRequest(audio=AUDIO, model="large")):
            events.append(event)
            if event.WhichOneof("event") == "segment":
                more.set()
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds == ["started", "segment", "progress", "segment", "finished"]
    assert (events[0].started.language, events[0].started.duration, events[0].started.model) == (
        "en",
        5.2,
        "large",
    )
    assert events[1].segment.text == SEGMENTS[0].text
    assert (events[2].progress.processed, events[2].progress.total) == (2.5, 5.2)
    assert (events[4].finished.duration, events[4].finished.speech_duration) == (5.2, 5.0)


async def test_a_length_that_is_not_known_is_absent(stub: Any, gateway: StubGateway) -> None:
    gateway.script = (Started("en", 1.0, None), Progress(1.0, None), Finished("en", 1.0, 2.0, 2.0))
    started, progress, _ = await collected(stub, TranscribeRequest(audio=AUDIO))
    assert not started.started.HasField("duration")
    assert not progress.progress.HasField("total")


async def test_a_stream_that_fails_ends_with_an_empty_event_and_its_status(
    stub: Any, gateway: StubGateway
) -> None:
    gateway.script = (*SCRIPT[:2], UndecodableAudio("The file is damaged.", param="file"))
    call = stub.StreamTranscription(TranscribeRequest(audio=AUDIO))
    kinds = [(await call.read()).WhichOneof("event") for _ in range(3)]
    assert kinds == ["started", "segment", None]
    error = await refusal(call.read())
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    told = trailing(error)
    assert (told["error-code"], told["error-param"]) == ("invalid_audio", "audio")


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (ModelUnavailable("It is loading."), grpc.StatusCode.UNAVAILABLE),
        (InternalError("The model failed."), grpc.StatusCode.INTERNAL),
        (RuntimeError("secret"), grpc.StatusCode.INTERNAL),
    ],
)
async def test_our_own_failures_have_a_status(
    stub: Any, gateway: StubGateway, failure: Exception, code: grpc.StatusCode
) -> None:
    gateway.script = (failure,)
    error = await refusal(stub.Transcribe(TranscribeRequest(audio=AUDIO)))
    assert error.code() == code
    assert "secret" not in str(error.details())
    assert ("retry-after" in trailing(error)) == (code == grpc.StatusCode.UNAVAILABLE)


async def test_a_transcript_without_an_end_is_our_failure(stub: Any, gateway: StubGateway) -> None:
    gateway.script = SCRIPT[:-1]
    error = await refusal(stub.Transcribe(TranscribeRequest(audio=AUDIO)))
    assert error.code() == grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("stream", [False, True])
async def test_who_leaves_stops_the_work(stub: Any, gateway: StubGateway, stream: bool) -> None:
    gateway.script = (*SCRIPT[:2], asyncio.Event())
    method = stub.StreamTranscription if stream else stub.Transcribe
    call = method(TranscribeRequest(audio=AUDIO))
    async with asyncio.timeout(10):
        if stream:
            await call.read()
        while not gateway.active:
            await asyncio.sleep(0)
        call.cancel()
        while gateway.active:
            await asyncio.sleep(0)
    assert gateway.closed == 1
