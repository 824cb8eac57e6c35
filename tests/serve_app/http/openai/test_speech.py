"""``POST /v1/audio/speech`` byte for byte; ``test_openai_speech_client.py`` has the ``openai`` client's view."""

import asyncio
import base64
import io
import json
import wave
from typing import Any

import httpx
import numpy as np
import pytest

from deployments.errors import ContentRefused, InvalidRequest, Overloaded, PayloadTooLarge
from deployments.fish_speech.types import LARGEST_SEED, SamplingOptions, Voice, VoiceDetails
from media.decode import RawPcm, probe
from media.encode import CONTENT_TYPES, FORMATS, AudioFormat
from serve_app.tasks.speech.parse import STOCK_VOICES
from tests.media.sound import Signal, correlation, decoded, delay_of
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.speaking import SpeakingBackend
from tests.serve_app.http.speech_stub import RATE, tone
from tests.serve_app.http.stub import app_of, ask, message

SPEECH = "/v1/audio/speech"
TEXT = "The birch canoe slid on the smooth planks."
SECONDS = len(TEXT) * 0.05


async def speak(backend: SpeakingBackend | None = None, path: str = SPEECH, **body: Any) -> httpx.Response:
    return await ask(backend or SpeakingBackend(), {"input": TEXT, **body}, path)


def told(text: str) -> list[Any]:
    """The data of server-sent events."""
    blocks = text.removesuffix("\n\n").split("\n\n")
    return [json.loads(b[6:]) if b != "data: [DONE]" else b[6:] for b in blocks if b.startswith("data: ")]


def played(data: bytes, kind: AudioFormat, rate: int) -> Signal:
    return decoded(data, rate, raw=RawPcm(rate) if kind == "pcm" else None)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kind", FORMATS)
async def test_every_format_is_whole_and_at_its_rate(kind: AudioFormat, stream: bool) -> None:
    backend = SpeakingBackend()
    response = await speak(backend, response_format=kind, stream=stream)
    rate = 24_000 if kind == "pcm" else RATE
    assert (response.status_code, response.headers["content-type"]) == (200, CONTENT_TYPES[kind])
    assert response.headers["x-sample-rate"] == str(rate)
    said = tone(backend.spoken, rate)
    sound = played(response.content, kind, rate)
    gapless = kind not in ("aac", "mp3") or (kind == "mp3" and not stream)
    assert delay_of(sound, said) == 0 or not gapless
    assert said.size <= sound.size <= said.size + (0 if gapless else 4_000)
    assert correlation(sound, said) > 0.98
    if kind not in ("pcm", "opus"):  # opus knows only 48 kHz
        assert probe(io.BytesIO(response.content)).sample_rate == RATE


async def test_a_stream_has_no_length_and_a_whole_file_has() -> None:
    streamed = await speak(response_format="wav")
    assert "content-length" not in streamed.headers
    assert (streamed.headers["cache-control"], streamed.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert streamed.content[40:44] == b"\xff\xff\xff\xff"
    whole = await speak(response_format="wav", stream=False)
    assert int(whole.headers["content-length"]) == len(whole.content)
    with wave.open(io.BytesIO(whole.content)) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(SECONDS)
    assert streamed.content[44:] == whole.content[44:]


async def test_mp3_is_what_comes_when_nothing_is_said() -> None:
    backend = SpeakingBackend()
    response = await speak(backend)
    assert response.headers["content-type"] == "audio/mpeg"
    request = backend.spoken
    assert (request.text, request.voice, request.model, request.sample_rate) == (TEXT, None, None, None)
    assert (request.speed, request.volume_db) == (1, 0)
    assert request.sampling.model_fields_set == set()  # all of it is left to the model
    assert request.request_id == response.headers["x-request-id"]


async def test_every_field_reaches_the_model() -> None:
    backend = SpeakingBackend()
    backend.library["anna"] = Voice("anna", ("Hello.",), VoiceDetails(), 0.0, 0.0)
    sampling = {
        "temperature": 0.5,
        "top_p": 0.9,
        "repetition_penalty": 1.1,
        "max_new_tokens": 99,
        "chunk_length": 0,
        "seed": LARGEST_SEED,
    }
    response = await speak(
        backend,
        model="tts-1",
        voice="anna",
        response_format="pcm",
        speed=2,
        volume_db=-3.5,
        sample_rate=8_000.0,
        speaker="someone",
        **sampling,
    )
    request = backend.spoken
    assert request.sampling == SamplingOptions.model_validate(sampling)
    assert request.sampling.model_fields_set == set(sampling)
    assert (request.model, request.voice, request.speaker) == ("tts-1", "anna", "someone")
    assert (request.speed, request.volume_db, request.sample_rate) == (2, -3.5, 8_000)
    assert response.headers["x-seed"] == str(LARGEST_SEED)
    assert len(response.content) == 2 * len(tone(request, 8_000))


async def test_bit_rates() -> None:
    sizes = [len((await speak(response_format="mp3", bit_rate=rate)).content) for rate in (16_000, 64_000)]
    assert sizes[1] > 3 * sizes[0]


async def test_null_and_empty_fields_count_as_absent() -> None:
    backend = SpeakingBackend()
    body = {
        "voice": "",
        "instructions": "",
        "speed": None,
        "seed": None,
        "references": [],
        "response_format": None,
    }
    assert (await speak(backend, **body)).status_code == 200
    assert backend.spoken.voice is None


async def test_unknown_fields_are_named() -> None:
    response = await speak(emotion="happy", lang_code="a")
    assert (response.status_code, response.headers["x-ignored-fields"]) == (200, "emotion, lang_code")
    assert (await speak(emotion="happy", stream_format="sse")).headers["x-ignored-fields"] == "emotion"


@pytest.mark.parametrize(
    ("body", "param", "sentence"),
    [
        ({"input": ""}, "input", "`input` is empty; send what to say."),
        ({"input": " \n"}, "input", "`input` is blank; send what to say."),
        ({"input": 3}, "input", "`input` has to be text, not '3'."),
        ({"input": "a\ud800"}, "input", "half of a surrogate pair"),
        ({"voice": 3}, "voice", "`voice` has to be text of at most 512 characters or an object of id, not '3'."),
        ({"voice": {"name": "x"}}, "voice", "or an object of id, not"),
        ({"voice": "x" * 513}, "voice", "of at most 512 characters"),
        (
            {"response_format": "ogg"},
            "response_format",
            "`response_format` has to be one of mp3, wav, pcm, flac, opus",
        ),
        ({"speed": 4.1}, "speed", "`speed` has to be a number from 0.25 to 4, not '4.1'."),
        ({"speed": "fast"}, "speed", "`speed` has to be a number from 0.25 to 4, not 'fast'."),
        ({"speed": True}, "speed", "`speed` has to be a number from 0.25 to 4, not 'true'."),
        ({"stream_format": "x"}, "stream_format", "`stream_format` has to be one of audio, sse, not 'x'."),
        (
            {"instructions": "Whisper."},
            "instructions",
            "`instructions` cannot be honoured: models here take none.",
        ),
        ({"temperature": -1}, "temperature", "`temperature` has to be a number from 0 to 2, not '-1'."),
        ({"top_p": 0}, "top_p", "`top_p` has to be a number above 0 and of at most 1, not '0'."),
        ({"seed": -1}, "seed", "`seed` has to be a whole number from 0 to"),
        ({"seed": LARGEST_SEED + 1}, "seed", "`seed` has to be a whole number from 0 to"),
        ({"max_new_tokens": 1.5}, "max_new_tokens", "`max_new_tokens` has to be a whole number from 0 to 32768"),
        ({"sample_rate": 96_000}, "sample_rate", "`sample_rate` has to be a whole number from 8000 to 48000"),
        ({"bit_rate": 1_000_000}, "bit_rate", "`bit_rate` has to be a whole number from 6000 to 320000"),
        (
            {"bit_rate": 300_000, "response_format": "opus"},
            "bit_rate",
            "`bit_rate` of opus has to be from 6000 to",
        ),
        ({"bit_rate": 64_000, "response_format": "wav"}, "bit_rate", "`bit_rate` does nothing for wav"),
        ({"volume_db": 30}, "volume_db", "`volume_db` has to be a number from -20 to 20"),
        ({"stream": "yes"}, "stream", "`stream` has to be true or false, not 'yes'."),
        ({"references": {}}, "references", None),
        (
            {"references": "abc"},
            "references",
            "`references` has to be a list of objects of audio, text, at most 64",
        ),
        ({"references": [{"audio": "AAAA"}]}, "references", "a list of objects of audio, text"),
        ({"references": [{"audio": "%", "text": "a"}]}, "references", "has to be an audio file in base64."),
        ({"references": [{"audio": "", "text": "a"}]}, "references", "has to be an audio file in base64."),
        ({"references": [{"audio": "AAAA", "text": "a"}], "voice": "anna"}, "voice", "both say who speaks"),
        ({"model": "whisper-1"}, "model", "The model 'whisper-1' does transcription, not speech."),
    ],
)
async def test_refusals(body: dict[str, Any], param: str, sentence: str | None) -> None:
    backend = SpeakingBackend()
    response = await speak(backend, **body)
    if sentence is None:
        assert response.status_code == 200  # an empty one is none
        return
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert sentence in message(response)
    assert "pydantic" not in response.text
    assert backend.speaking == 0


async def test_what_is_missing() -> None:
    response = await ask(SpeakingBackend(), {"model": "tts-1"}, SPEECH)
    assert message(response) == "`input` is missing; it has to be text."


@pytest.mark.parametrize("sent", ["anna", {"id": "anna"}])
async def test_a_voice_of_the_library(sent: Any) -> None:
    backend = SpeakingBackend()
    backend.library["anna"] = Voice("anna", ("Hello.",), VoiceDetails(), 0.0, 0.0)
    assert (await speak(backend, voice=sent)).status_code == 200
    assert backend.spoken.voice == "anna"


@pytest.mark.parametrize("sent", [*sorted(STOCK_VOICES), {"id": "alloy"}])
async def test_stock_voices_are_the_default_voice(sent: Any) -> None:
    backend = SpeakingBackend()
    assert (await speak(backend, voice=sent)).status_code == 200
    assert backend.spoken.voice is None


async def test_a_stock_voice_that_the_library_has() -> None:
    backend = SpeakingBackend()
    backend.library["nova"] = Voice("nova", ("Hello.",), VoiceDetails(), 0.0, 0.0)
    await speak(backend, voice="nova")
    assert backend.spoken.voice == "nova"


@pytest.mark.parametrize("events", ["audio", "sse"])
async def test_an_unknown_voice_is_not_found(events: str) -> None:
    response = await speak(voice="nobody", stream_format=events)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (404, "voice_not_found", "voice")
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("beside", [{}, {"voice": "alloy"}])
async def test_references(beside: dict[str, Any]) -> None:
    backend = SpeakingBackend()
    backend.library["alloy"] = Voice("alloy", ("Hello.",), VoiceDetails(), 0.0, 0.0)
    one = {"audio": base64.b64encode(b"RIFF one").decode(), "text": "First."}
    two = {"audio": "data:audio/wav;base64," + base64.b64encode(b"RIFF two").decode(), "text": ""}
    assert (await speak(backend, references=[one, two], **beside)).status_code == 200
    assert (backend.spoken.voice, backend.spoken.reference_texts) == (None, ("First.", ""))
    assert backend.references == [[b"RIFF one", b"RIFF two"]]


async def test_large_bodies_and_their_limits() -> None:
    backend = SpeakingBackend()
    audio = base64.b64encode(bytes(9_000_000)).decode()
    assert (await speak(backend, references=[{"audio": audio, "text": "a"}])).status_code == 200
    assert len(backend.references[0][0]) == 9_000_000
    many = {"input": "a", "references": [[]] * 4_000_000}
    response = await ask(backend, many, SPEECH)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "payload_too_large")
    assert "more than 500000 values" in message(response)
    response = await ask(backend, b'{"input": "' + bytes(34_000_000) + b'"}', SPEECH)
    assert response.status_code == 413


async def test_server_sent_events() -> None:
    backend = SpeakingBackend()
    response = await speak(backend, stream_format="sse", response_format="pcm", seed=7)
    assert response.headers["content-type"].startswith("text/event-stream")
    *deltas, done, end = told(response.text)
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    assert len(deltas) > 3
    audio = b"".join(base64.b64decode(delta["audio"]) for delta in deltas)
    assert audio == (await speak(response_format="pcm", seed=7)).content
    frames = len(audio) // 2 // 640
    assert done == {
        "type": "speech.audio.done",
        "usage": {
            "input_tokens": len(TEXT),
            "output_tokens": frames,
            "total_tokens": len(TEXT) + frames,
        },
        "seed": 7,
        "seconds": SECONDS,
    }
    assert end == "[DONE]"


async def test_a_whole_file_in_one_event() -> None:
    delta, _, _ = told((await speak(stream_format="sse", stream=False, response_format="wav")).text)
    assert base64.b64decode(delta["audio"]) == (await speak(stream=False, response_format="wav")).content


@pytest.mark.parametrize("events", ["audio", "sse"])
@pytest.mark.parametrize(
    ("error", "status", "param"),
    [
        (Overloaded("Full.", retry_after_s=2.5), 429, None),
        (InvalidRequest("Nothing to say.", param="text"), 400, "input"),
        (PayloadTooLarge("Too long.", param="text"), 413, "input"),
        (ContentRefused("Not nice.", param="text"), 400, "input"),
        (InvalidRequest("One each.", param="references"), 400, "references"),
        (RuntimeError("secret"), 500, None),
        (asyncio.CancelledError(), 503, None),
    ],
)
async def test_errors_before_the_first_sound(
    error: BaseException, status: int, param: str | None, events: str
) -> None:
    response = await speak(SpeakingBackend(hindrances={0: error}), stream_format=events)
    assert (response.status_code, response.json()["error"]["param"]) == (status, param)
    assert "secret" not in response.text
    if status == 429:
        assert response.headers["retry-after"] == "3"


def call(backend: SpeakingBackend, **body: Any) -> AsgiCall:
    call = AsgiCall(app_of(backend), SPEECH, headers={"content-type": "application/json"}).start()
    call.feed(json.dumps({"input": TEXT, **body}).encode())
    return call


async def test_sound_leaves_while_the_rest_is_made() -> None:
    gate = asyncio.Event()
    backend = SpeakingBackend(hindrances={2: gate})
    asked = call(backend, response_format="wav")
    assert (await asked.sent())["status"] == 200
    first, second = await asked.sent(), await asked.sent()
    assert len(first["body"]) + len(second["body"]) == 44 + 2 * 2 * 4_000
    assert backend.closed == 0
    gate.set()
    rest = await asked.finished()
    assert rest[-1]["more_body"] is False


@pytest.mark.parametrize("error", [Overloaded("Full.", retry_after_s=1), RuntimeError("secret")])
async def test_a_later_error_breaks_the_connection(error: Exception) -> None:
    asked = call(SpeakingBackend(hindrances={2: error}), response_format="wav")
    assert (await asked.sent())["status"] == 200
    rest = await asked.finished()
    assert all(one["more_body"] for one in rest)  # the end is missing
    failed = told((await speak(SpeakingBackend(hindrances={2: error}), stream_format="sse")).text)
    assert failed[-1]["error"]["message"].endswith(".")
    assert "secret" not in str(failed)


@pytest.mark.parametrize("body", [{}, {"stream_format": "sse"}, {"stream": False}])
async def test_a_client_that_leaves_stops_the_work(body: dict[str, Any]) -> None:
    backend = SpeakingBackend(hindrances={1: asyncio.Event()})
    asked = call(backend, response_format="wav", **body)
    while not backend.speaking:
        await asyncio.sleep(0)
    asked.leave()
    await asked.finished()
    assert (backend.closed, backend.speaking) == (1, 0)


async def test_many_at_once() -> None:
    backend = SpeakingBackend()
    texts = [f"Text number {number}." for number in range(12)]
    answers = await asyncio.gather(
        *[
            ask(backend, {"input": text, "response_format": "pcm", "seed": i}, SPEECH)
            for i, text in enumerate(texts)
        ]
    )
    for request in backend.speech_requests:
        answer = answers[texts.index(request.text)]
        said = np.rint(tone(request, 24_000) * 32_768).astype("<i2")
        np.testing.assert_array_equal(np.frombuffer(answer.content, "<i2"), said)
