"""``/v1/tts``: what reaches the model, and how the speech is sent."""

import asyncio
import base64
import json
import struct
from typing import Any

import ormsgpack
import pytest

from deployments import errors
from deployments.fish_speech.types import LARGEST_SEED, SamplingOptions
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.fish.support import MSGPACK, TTS, WAV, gateway_with, send, sentence, voice
from tests.serve_app.http.speech_stub import CHUNK
from tests.serve_app.http.stub import app_of

TYPES = {
    "wav": "audio/wav",
    "pcm": "audio/pcm",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
}


@pytest.mark.parametrize("msgpack", [False, True])
async def test_what_is_left_out_is_the_models_own(msgpack: bool) -> None:
    gateway = gateway_with()
    assert (await send(gateway, {"text": "a"}, msgpack=msgpack)).status_code == 200
    request = gateway.spoken
    assert request.sampling.model_fields_set == set()
    assert (request.model, request.voice, request.speaker, request.sample_rate) == (None, None, None, None)
    assert request.request_id


@pytest.mark.parametrize("msgpack", [False, True])
async def test_how_a_text_is_written(msgpack: bool) -> None:
    gateway = gateway_with()
    body = {"text": "*a*", "text_format": "markdown", "normalize": "en"}
    assert (await send(gateway, body, msgpack=msgpack)).status_code == 200
    assert (gateway.spoken.text_format, gateway.spoken.normalize) == ("markdown", "en")
    refused = await send(gateway, {"text": "…"}, msgpack=msgpack)
    assert (refused.status_code, sentence(refused)) == (
        400,
        "The text has nothing that can be spoken; send words.",
    )


@pytest.mark.parametrize(
    ("sent", "options"),
    [
        ({"chunk_length": 0}, {"chunk_length": 0}),
        ({"chunk_length": "300"}, {"chunk_length": 300}),
        ({"max_new_tokens": -3}, {"max_new_tokens": 0}),
        ({"max_new_tokens": 10**9}, {"max_new_tokens": 32_768}),
        ({"repetition_penalty": 2.0}, {"repetition_penalty": 2.0}),
        ({"top_p": 1, "temperature": 0.1}, {"top_p": 1.0, "temperature": 0.1}),
        ({"seed": 0}, {"seed": 0}),
        ({"seed": -7}, {"seed": 7}),
        ({"seed": -(10**30)}, {"seed": LARGEST_SEED}),
        ({"seed": None}, {}),
    ],
)
async def test_sampling(sent: dict[str, Any], options: dict[str, Any]) -> None:
    gateway = gateway_with()
    assert (await send(gateway, {"text": "a", **sent})).status_code == 200
    assert gateway.spoken.sampling == SamplingOptions(**options)
    assert gateway.spoken.sampling.model_fields_set == options.keys()


async def test_fields_of_later_versions() -> None:
    gateway = gateway_with()
    body = {
        "text": "a",
        "prosody": {"speed": 0.5, "volume": 20, "unknown": 1},
        "sample_rate": 8_000,
        "speaker": "Anna",
        "model": "sample-tts",
        "latency": "low",
        "min_chunk_length": 10,
        "use_memory_cache": "on",
        "unknown": 3,
        "other": None,
    }
    response = await send(gateway, body, headers={"model": "s1"})
    assert response.headers["x-ignored-fields"] == "unknown, other"
    request = gateway.spoken
    assert (request.speed, request.volume_db, request.sample_rate) == (0.5, 20.0, 8_000)
    assert (request.speaker, request.model) == ("Anna", "sample-tts")


async def test_the_hosted_services_defaults_come_with_its_header() -> None:
    own = await send(gateway_with(), {"text": "a"})
    cloud = await send(gateway_with(), {"text": "a"}, headers={"model": "s1"})
    assert (own.headers["content-type"], cloud.headers["content-type"]) == ("audio/wav", "audio/mpeg")


async def test_references_in_json_and_msgpack() -> None:
    data = WAV + bytes(range(256))
    text = base64.b64encode(data).decode()
    lines = "\n".join(text[start : start + 76] for start in range(0, len(text), 76))
    for audio in (text, lines, f"data:audio/wav;base64,{text}"):
        gateway = gateway_with()
        await send(gateway, {"text": "a", "references": [{"audio": audio, "text": "b"}]})
        assert (gateway.references, gateway.spoken.reference_texts) == ([[data]], ("b",))
    for packed in (data, text):
        gateway = gateway_with()
        await send(gateway, {"text": "a", "references": [{"audio": packed, "text": "b"}]}, msgpack=True)
        assert gateway.references == [[data]]


@pytest.mark.parametrize("msgpack", [True, False])
async def test_the_body_of_an_assistant_that_sends_every_field(msgpack: bool) -> None:
    """As xiaozhi's server builds it: recordings beside an id that is null, and text where others have booleans."""
    gateway = gateway_with()
    recording = {"audio": WAV if msgpack else base64.b64encode(WAV).decode(), "text": "Hello."}
    body = {
        "text": "Good morning.",
        "references": [recording],
        "reference_id": None,
        "normalize": True,
        "format": "wav",
        "max_new_tokens": 1024,
        "chunk_length": 200,
        "top_p": 0.7,
        "repetition_penalty": 1.2,
        "temperature": 0.7,
        "streaming": False,
        "use_memory_cache": "on",
        "seed": None,
    }
    response = await send(gateway, body, msgpack=msgpack)
    assert (response.status_code, response.headers["content-type"]) == (200, "audio/wav")
    assert "x-ignored-fields" not in response.headers
    assert (gateway.spoken.text, gateway.references) == ("Good morning.", [[WAV]])


async def test_large_references() -> None:
    data = bytes(range(256)) * 4 * 4_500
    gateway = gateway_with()
    body = {"text": "a", "references": [{"audio": base64.b64encode(data).decode(), "text": "b"}] * 2}
    assert (await send(gateway, body)).status_code == 200
    assert gateway.references == [[data, data]]


async def test_a_voice_wins_over_references() -> None:
    gateway = gateway_with(voice("anna"))
    body = {"text": "a", "reference_id": "anna", "references": [{"audio": WAV, "text": "b"}]}
    assert (await send(gateway, body, msgpack=True)).status_code == 200
    assert (gateway.spoken.voice, gateway.spoken.reference_texts, gateway.references) == ("anna", (), [[]])
    assert (await send(gateway_with(), {"text": "a", "reference_id": ""})).status_code == 200


@pytest.mark.parametrize("kind", TYPES)
async def test_whole_files(kind: str) -> None:
    body = {"text": "Hello", "format": kind, "streaming": False, "seed": 7}
    response = await send(gateway_with(), body)
    assert response.headers["content-type"] == TYPES[kind]
    assert response.headers["content-disposition"] == f"attachment; filename=audio.{kind}"
    assert (response.headers["x-sample-rate"], response.headers["x-seed"]) == ("16000", "7")
    assert response.headers["x-cut"] == "false"
    assert int(response.headers["content-length"]) == len(response.content)
    if kind == "wav":
        assert struct.unpack("<I", response.content[40:44]) == (len(response.content) - 44,)


async def test_a_whole_file_says_that_it_was_cut() -> None:
    gateway = gateway_with()
    gateway.cut = True
    for streaming in (False, True):
        response = await send(gateway, {"text": "Hello", "streaming": streaming})
        assert response.headers.get("x-cut") == (None if streaming else "true")
        assert gateway.speech_requests[-1].whole is not streaming


@pytest.mark.parametrize("kind", TYPES)
async def test_streams(kind: str) -> None:
    """Pieces leave while the speech is being made: the stub waits until one is there."""
    gateway = gateway_with()
    going_on = gateway.hindrances[6] = asyncio.Event()
    call = AsgiCall(app_of(gateway), TTS, headers={"content-type": "application/json"}).start()
    call.feed(json.dumps({"text": "Hello, hello, hello!" * 2, "format": kind, "streaming": True}).encode())
    start, first = await call.sent(), await call.sent()
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    assert (start["status"], headers["content-type"]) == (200, TYPES[kind])
    assert "content-length" not in headers
    assert headers["x-sample-rate"] == "16000"
    assert first["body"]
    assert first["more_body"]
    going_on.set()
    messages = await call.finished()
    assert all(message["more_body"] for message in messages[:-1])
    assert messages[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    whole = await send(gateway_with(), {"text": "Hello, hello, hello!" * 2, "format": kind, "streaming": True})
    sent = first["body"] + b"".join(message["body"] for message in messages)
    assert len(sent) == len(whole.content)
    assert sent == whole.content or kind == "opus"  # whose streams have numbers drawn at random


async def test_what_is_streamed_if_nobody_says() -> None:
    for kind in TYPES:
        response = await send(gateway_with(), {"text": "a", "format": kind})
        assert ("content-length" in response.headers) is (kind in ("wav", "flac"))


async def test_streams_without_a_header() -> None:
    """As fish-speech 1.5.1 sends them."""
    bare = await send(gateway_with(), {"text": "a", "streaming": True, "wav_header": False})
    samples = await send(gateway_with(), {"text": "a", "format": "pcm"})
    assert (bare.content, bare.headers["content-type"]) == (samples.content, "audio/wav")
    whole = await send(gateway_with(), {"text": "a", "wav_header": False})
    assert whole.content[44:] == samples.content


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (errors.InvalidRequest("The text has no letters.", param="text"), 400, "The text has no letters."),
        (errors.UndecodableAudio("Reference 1 is no audio."), 400, "Reference 1 is no audio."),
        (errors.ContentRefused("No."), 400, "No."),
        (errors.PayloadTooLarge("The text is long."), 413, "The text is long."),
        (errors.Overloaded("Full.", retry_after_s=2.1), 429, "Full."),
        (errors.ModelUnavailable("Loading."), 503, "Loading."),
        (errors.DeadlineExceeded("Too late."), 504, "Too late."),
        (ZeroDivisionError("a bug"), 500, "The server failed on this request."),
        (asyncio.CancelledError(), 503, "The work on this request was stopped."),
    ],
)
async def test_failures_of_the_model(error: BaseException, status: int, words: str, streaming: bool) -> None:
    gateway = gateway_with()
    gateway.hindrances = {0: error}
    response = await send(gateway, {"text": "a", "streaming": streaming})
    assert response.status_code == status
    assert sentence(response).startswith(words)
    assert response.headers.get("retry-after") == {429: "3", 503: "5"}.get(status)


async def test_failures_later_break_the_stream() -> None:
    gateway = gateway_with()
    gateway.hindrances = {1: ZeroDivisionError("a bug")}
    call = AsgiCall(app_of(gateway), TTS, headers={"content-type": "application/json"}).start()
    call.feed(json.dumps({"text": "Hello", "streaming": True}).encode())
    start, *parts = await call.finished()
    assert start["status"] == 200
    assert b"a bug" not in b"".join(part["body"] for part in parts)
    assert all(part["more_body"] for part in parts)


@pytest.mark.parametrize("chunks", [0, 1])
@pytest.mark.parametrize("kind", ["wav", "pcm"])
async def test_a_client_that_leaves_stops_the_work(kind: str, chunks: int) -> None:
    gateway = gateway_with()
    gateway.hindrances = {chunks: asyncio.Event()}
    call = AsgiCall(app_of(gateway), TTS, headers=MSGPACK).start()
    call.feed(ormsgpack.packb({"text": "Hello, hello!", "format": kind}))
    while not gateway.speaking:
        await asyncio.sleep(0)
    if kind == "pcm" and chunks:
        assert (await call.sent())["status"] == 200
        assert len((await call.sent())["body"]) == CHUNK * 2
    call.leave()
    assert await call.finished() == []
    assert (gateway.speaking, gateway.closed) == (0, 1)


async def test_models() -> None:
    for name in ("s1", "s2-pro", "speech-1.6", "sample-tts", "tts-1", "s1-mini", "agent-x0", ""):
        assert (await send(gateway_with(), {"text": "a"}, headers={"model": name})).status_code == 200
    unknown = await send(gateway_with(), {"text": "a"}, headers={"model": "s9"})
    assert unknown.status_code == 404
    assert sentence(unknown) == "The model 's9' is not served here. Models for speech: sample-tts."
    other = await send(gateway_with(), {"text": "a", "model": "whisper-1"})
    assert (other.status_code, sentence(other)) == (400, "The model 'whisper-1' does transcription, not speech.")


async def test_wrong_fields_are_told_in_an_object_to_clients_of_the_hosted_service() -> None:
    """A list would make them crash."""
    response = await send(gateway_with(), {"text": "a", "top_p": 2}, headers={"model": "s1"})
    assert response.status_code == 422
    assert sentence(response) == "top_p: Input should be less than or equal to 1"
    assert (await send(gateway_with(), {"text": "a", "top_p": 0.0}, headers={"model": "s1"})).status_code == 200
    assert (await send(gateway_with(), {"text": "a", "top_p": 0.0})).status_code == 422
