"""Speech by gRPC: what a request may ask for, whole files, streams, voices, failures on the way."""

import asyncio
import io
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
from grpc.aio import Channel

from deployments.errors import ContentRefused, InternalError, ModelUnavailable, Overloaded
from deployments.fish_speech.types import LARGEST_SEED, Finished, NewVoice, Started, VoiceDetails
from media.encode import encode
from serve_app.grpc.protos import speech_pb2
from serve_app.grpc.protos.speech_pb2 import ListVoicesRequest, Reference, SpeakRequest, SpeechEvent
from serve_app.grpc.protos.speech_pb2_grpc import SpeechStub
from tests.serve_app.grpc.conftest import refusal, trailing
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.speech_stub import CHUNK, RATE, tone
from tests.serve_app.http.stub import StubGateway

TEXT = "Hello there, friend."
SECONDS = 0.05 * len(TEXT)


@pytest.fixture
def gateway() -> SpeakingGateway:
    """What speaks."""
    return SpeakingGateway()


@pytest.fixture
def stub(channel: Channel) -> Any:
    """A client."""
    return SpeechStub(channel)


async def events_of(stub: Any, request: SpeakRequest) -> list[SpeechEvent]:
    """All events of a stream."""
    return [event async for event in stub.StreamSpeech(request)]


async def test_a_text_becomes_a_file(stub: Any, gateway: SpeakingGateway) -> None:
    answer = await stub.Speak(SpeakRequest(text=TEXT, seed=7))
    assert answer.audio == encode(tone(gateway.spoken), "wav", RATE)
    assert (answer.sample_rate, answer.seed, answer.model, answer.cut) == (RATE, 7, "sample-tts", False)
    assert answer.duration == SECONDS
    assert not answer.classification
    asked = gateway.spoken
    assert (asked.text, asked.voice, asked.model, asked.speaker, asked.reference_texts) == (
        TEXT,
        None,
        None,
        None,
        (),
    )
    assert asked.sampling.model_fields_set == {"seed"}
    assert gateway.references == [[]]


async def test_every_option_arrives(stub: Any, gateway: SpeakingGateway) -> None:
    gateway.library["anna"] = await gateway.add_voice(NewVoice(id="anna", texts=("Hi.",)), [])
    gateway.references.clear()
    await stub.Speak(
        SpeakRequest(
            text=TEXT,
            model="tts-1",
            voice="anna",
            references=[Reference(audio=b"one", text="First."), Reference(audio=b"two", text="Second.")],
            speaker="narrator",
            sample_rate=24_000,
            speed=1.1,
            volume_db=-6.5,
            temperature=0.0,
            top_p=0.9,
            repetition_penalty=1.3,
            max_new_tokens=0,
            chunk_length=0,
            seed=LARGEST_SEED,
        )
    )
    asked, sampling = gateway.spoken, gateway.spoken.sampling
    assert (asked.model, asked.voice, asked.speaker, asked.sample_rate) == ("tts-1", "anna", "narrator", 24_000)
    assert (asked.speed, asked.volume_db, asked.reference_texts) == (1.1, -6.5, ("First.", "Second."))
    assert (sampling.temperature, sampling.top_p, sampling.repetition_penalty) == (0.0, 0.9, 1.3)
    assert (sampling.max_new_tokens, sampling.chunk_length, sampling.seed) == (0, 0, LARGEST_SEED)
    assert gateway.references == [[b"one", b"two"]]


@pytest.mark.parametrize("name", ["wav", "pcm", "flac", "mp3", "aac"])
async def test_formats(stub: Any, gateway: SpeakingGateway, name: Any) -> None:
    kind = getattr(speech_pb2, f"AUDIO_FORMAT_{name.upper()}")
    answer = await stub.Speak(SpeakRequest(text=TEXT, format=kind, seed=1))
    assert answer.audio == encode(tone(gateway.spoken), name, RATE)


async def test_opus(stub: Any) -> None:
    answer = await stub.Speak(SpeakRequest(text=TEXT, format=speech_pb2.AUDIO_FORMAT_OPUS))
    assert soundfile.info(io.BytesIO(answer.audio)).subtype == "OPUS"
    assert soundfile.info(io.BytesIO(answer.audio)).duration == SECONDS


async def test_a_stream_is_the_file(stub: Any, gateway: SpeakingGateway) -> None:
    started, *audio, finished = await events_of(stub, SpeakRequest(text=TEXT, seed=5))
    assert (started.started.sample_rate, started.started.seed, started.started.segments) == (RATE, 5, 1)
    assert (started.started.text_tokens, started.started.model) == (len(TEXT), "sample-tts")
    assert [event.WhichOneof("event") for event in audio] == ["audio"] * 4
    assert (finished.finished.duration, finished.finished.frames) == (SECONDS, 16_000 // 640)
    samples, rate = soundfile.read(io.BytesIO(b"".join(event.audio for event in audio)), dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(samples, tone(gateway.spoken), atol=2**-15)


@pytest.mark.parametrize(("name", "rate"), [("MP3", 32_000), ("OPUS", 16_000)])
async def test_a_bit_rate(stub: Any, name: str, rate: int) -> None:
    request = SpeakRequest(
        text=TEXT * 4, format=getattr(speech_pb2, f"AUDIO_FORMAT_{name}"), bit_rate=rate, seed=1
    )
    answer = await stub.Speak(request)
    assert len(answer.audio) < 1.5 * rate / 8 * answer.duration


async def test_sound_comes_as_it_is_made(stub: Any, gateway: SpeakingGateway) -> None:
    more = asyncio.Event()
    gateway.hindrances = {1: more}
    sizes = []
    async with asyncio.timeout(10):
        async for event in stub.StreamSpeech(SpeakRequest(text=TEXT, format=speech_pb2.AUDIO_FORMAT_PCM)):
            if event.WhichOneof("event") == "audio":
                sizes.append(len(event.audio))
                more.set()
    assert sizes == [2 * CHUNK] * 4


async def test_what_a_classifier_found_and_where_the_text_was_cut(stub: Any, gateway: SpeakingGateway) -> None:
    async def speak(request: Any, references: Any = ()) -> Any:
        yield Started(RATE, 3, 2, 9, {"hate": 0.25, "neutral": 0.75})
        yield Finished(0, 0, cut=True)

    gateway.speak = speak  # type: ignore[method-assign]
    answer = await stub.Speak(SpeakRequest(text=TEXT))
    assert answer.cut
    assert dict(answer.classification) == {"hate": 0.25, "neutral": 0.75}
    started, *_, finished = await events_of(stub, SpeakRequest(text=TEXT))
    assert dict(started.started.classification) == {"hate": 0.25, "neutral": 0.75}
    assert (started.started.segments, finished.finished.cut) == (2, True)


async def test_a_file_is_heard_as_a_whole_and_a_stream_is_not(stub: Any, gateway: SpeakingGateway) -> None:
    await stub.Speak(SpeakRequest(text=TEXT))
    await events_of(stub, SpeakRequest(text=TEXT))
    assert [asked.whole for asked in gateway.speech_requests] == [True, False]


@pytest.mark.parametrize(
    ("sent", "said", "param"),
    [
        ({"format": 9}, "`format` is 9, which is no format.", "format"),
        ({"speed": 5.0}, "`speed` has to be a number from 0.25 to 4", "speed"),
        ({"speed": float("nan")}, "`speed` has to be a number from 0.25 to 4", "speed"),
        ({"volume_db": float("inf")}, "`volume_db` has to be a number from -20", "volume_db"),
        ({"temperature": -0.5}, "`temperature` has to be a number from 0", "temperature"),
        ({"top_p": 0.0}, "`top_p` has to be a number above 0 and of at most 1", "top_p"),
        (
            {"repetition_penalty": 2.5},
            "`repetition_penalty` has to be a number from 0.9 to 2",
            "repetition_penalty",
        ),
        ({"max_new_tokens": 100_000}, "`max_new_tokens` has to be a whole number", "max_new_tokens"),
        ({"seed": -1}, "`seed` has to be a whole number from 0", "seed"),
        ({"sample_rate": 100}, "`sample_rate` has to be a whole number from 8000 to 48000", "sample_rate"),
        ({"voice": "x" * 600}, "`voice` has to be text of at most 512 characters", "voice"),
        ({"references": [Reference(text="a")]}, "The audio of reference 1 is missing.", "references"),
        ({"references": [Reference(audio=b"a")] * 65}, "`references` has to be a list", "references"),
        ({"model": "whisper-1"}, "does transcription, not speech", "model"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_mistakes_are_named(
    stub: Any, gateway: SpeakingGateway, sent: dict[str, Any], said: str, param: str, stream: bool
) -> None:
    request = SpeakRequest(text=TEXT, **sent)
    error = await refusal(events_of(stub, request) if stream else stub.Speak(request))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert said in str(error.details())
    assert trailing(error)["error-param"] == param
    assert not gateway.speech_requests


async def test_a_bit_rate_that_no_codec_has(stub: Any) -> None:
    request = SpeakRequest(text=TEXT, format=speech_pb2.AUDIO_FORMAT_MP3, bit_rate=1)
    error = await refusal(stub.Speak(request))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("sent", "code", "name"),
    [
        ({"voice": "nobody"}, grpc.StatusCode.NOT_FOUND, "voice_not_found"),
        ({"model": "nobody"}, grpc.StatusCode.NOT_FOUND, "model_not_found"),
    ],
)
async def test_what_is_not_there(stub: Any, sent: dict[str, Any], code: grpc.StatusCode, name: str) -> None:
    error = await refusal(stub.Speak(SpeakRequest(text=TEXT, **sent)))
    assert (error.code(), trailing(error)["error-code"]) == (code, name)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (ContentRefused("The text is hateful.", param="text"), grpc.StatusCode.INVALID_ARGUMENT),
        (ModelUnavailable("It is loading."), grpc.StatusCode.UNAVAILABLE),
        (Overloaded("Full.", retry_after_s=2), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (InternalError("The model failed."), grpc.StatusCode.INTERNAL),
        (RuntimeError("secret"), grpc.StatusCode.INTERNAL),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_failures_have_a_status(
    stub: Any, gateway: SpeakingGateway, failure: Exception, code: grpc.StatusCode, stream: bool
) -> None:
    gateway.hindrances = {0: failure}
    request = SpeakRequest(text=TEXT)
    error = await refusal(events_of(stub, request) if stream else stub.Speak(request))
    assert error.code() == code
    assert "secret" not in str(error.details())
    waits = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert ("retry-after" in trailing(error)) == (code in waits)


async def test_a_stream_that_fails_ends_with_an_empty_event_and_its_status(
    stub: Any, gateway: SpeakingGateway
) -> None:
    gateway.hindrances = {1: InternalError("The model failed.")}
    call = stub.StreamSpeech(SpeakRequest(text=TEXT))
    kinds = [(await call.read()).WhichOneof("event") for _ in range(3)]
    assert kinds == ["started", "audio", None]
    assert (await refusal(call.read())).code() == grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("stream", [False, True])
async def test_who_leaves_stops_the_work(stub: Any, gateway: SpeakingGateway, stream: bool) -> None:
    gateway.hindrances = {1: asyncio.Event()}
    method = stub.StreamSpeech if stream else stub.Speak
    call = method(SpeakRequest(text=TEXT))
    async with asyncio.timeout(10):
        if stream:
            await call.read()
        while not gateway.speaking:
            await asyncio.sleep(0)
        call.cancel()
        while gateway.speaking:
            await asyncio.sleep(0)
    assert gateway.closed == 1


async def test_voices(stub: Any, gateway: SpeakingGateway) -> None:
    assert not (await stub.ListVoices(ListVoicesRequest())).voices
    details = VoiceDetails(title="Anna", description="Calm.", tags=("calm",), languages=("en", "de"))
    await gateway.add_voice(NewVoice(id="anna", texts=("One.", "Two."), details=details), [])
    (voice,) = (await stub.ListVoices(ListVoicesRequest(model="sample-tts"))).voices
    assert (voice.id, list(voice.texts), voice.title, voice.description) == (
        "anna",
        ["One.", "Two."],
        "Anna",
        "Calm.",
    )
    assert (list(voice.tags), list(voice.languages), voice.shipped) == (["calm"], ["en", "de"], False)
    assert (voice.created, voice.updated) == (1_700_000_000, 1_700_000_000)
    error = await refusal(stub.ListVoices(ListVoicesRequest(model="whisper-1")))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_keys_are_asked_for(connect: Any, gateway: StubGateway) -> None:
    stub = SpeechStub(await connect(keys=("k",)))
    error = await refusal(stub.ListVoices(ListVoicesRequest()))
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED
