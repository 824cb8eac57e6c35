"""``POST /v1/audio/speech`` byte for byte; ``test_speech_client.py`` has the ``openai`` client's view."""

import base64
import io
import wave
from typing import Any

import numpy as np
import pytest

from deployments.fish_speech.types import (
    LARGEST_SEED,
    Audio,
    Finished,
    SamplingOptions,
    Started,
    Voice,
    VoiceDetails,
)
from media.decode import probe
from media.encode import CONTENT_TYPES, FORMATS, AudioFormat
from serve_app.gateway.model_index import ModelIndex
from serve_app.tasks.speech.parse import STOCK_VOICES
from tests.media.sound import correlation, delay_of
from tests.serve_app.http.openai.speech_calls import SECONDS, SPEECH, TEXT, events_of, played, speak
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.speech_stub import RATE, SPEECH_MODEL, tone
from tests.serve_app.http.stub import ask, message


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kind", FORMATS)
async def test_every_format_is_whole_and_at_its_rate(kind: AudioFormat, stream: bool) -> None:
    gateway = SpeakingGateway()
    response = await speak(gateway, response_format=kind, stream=stream)
    rate = 24_000 if kind == "pcm" else RATE
    assert (response.status_code, response.headers["content-type"]) == (200, CONTENT_TYPES[kind])
    assert response.headers["x-sample-rate"] == str(rate)
    said = tone(gateway.spoken, rate)
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
    gateway = SpeakingGateway()
    response = await speak(gateway)
    assert response.headers["content-type"] == "audio/mpeg"
    request = gateway.spoken
    assert (request.text, request.voice, request.model, request.sample_rate) == (TEXT, None, None, None)
    assert (request.speed, request.volume_db) == (1, 0)
    assert request.sampling.model_fields_set == set()  # all of it is left to the model
    assert request.request_id == response.headers["x-request-id"]


async def test_every_field_reaches_the_model() -> None:
    gateway = SpeakingGateway()
    gateway.library["anna"] = Voice("anna", ("Hello.",), VoiceDetails(), 0.0, 0.0)
    sampling = {
        "temperature": 0.5,
        "top_p": 0.9,
        "repetition_penalty": 1.1,
        "max_new_tokens": 99,
        "chunk_length": 0,
        "seed": LARGEST_SEED,
    }
    response = await speak(
        gateway,
        model="tts-1",
        voice="anna",
        response_format="pcm",
        speed=2,
        volume_db=-3.5,
        sample_rate=8_000.0,
        speaker="someone",
        **sampling,
    )
    request = gateway.spoken
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
    gateway = SpeakingGateway()
    body = {
        "voice": "",
        "instructions": "",
        "speed": None,
        "seed": None,
        "references": [],
        "response_format": None,
    }
    assert (await speak(gateway, **body)).status_code == 200
    assert gateway.spoken.voice is None


@pytest.mark.parametrize("cut", [False, True])
async def test_a_whole_file_and_the_last_event_say_whether_it_was_cut(cut: bool) -> None:
    gateway = SpeakingGateway()
    gateway.cut = cut
    assert (await speak(gateway, stream=False)).headers["x-cut"] == ("true" if cut else "false")
    assert "x-cut" not in (await speak(gateway)).headers
    for stream in (False, True):
        *_, done, _ = events_of((await speak(gateway, stream_format="sse", stream=stream)).text)
        assert done["cut"] is cut
    assert [asked.whole for asked in gateway.speech_requests] == [True, False, True, False]


async def test_instructions_are_ignored_and_named_where_that_is_configured() -> None:
    gateway = SpeakingGateway()
    gateway.models = ModelIndex([SPEECH_MODEL.model_copy(update={"instructions": "ignored"})])
    response = await speak(gateway, instructions="Whisper.", emotion="happy")
    assert (response.status_code, response.headers["x-ignored-fields"]) == (200, "emotion, instructions")
    assert "x-ignored-fields" not in (await speak(gateway, instructions="")).headers
    unserved = await speak(gateway, model="nobody", instructions="Whisper.")
    assert (unserved.status_code, unserved.json()["error"]["code"]) == (404, "model_not_found")
    wrong = await speak(gateway, instructions=5)
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "instructions")


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
    gateway = SpeakingGateway()
    response = await speak(gateway, **body)
    if sentence is None:
        assert response.status_code == 200  # an empty one is none
        return
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert sentence in message(response)
    assert "pydantic" not in response.text
    assert gateway.speaking == 0


async def test_what_is_missing() -> None:
    response = await ask(SpeakingGateway(), {"model": "tts-1"}, SPEECH)
    assert message(response) == "`input` is missing; it has to be text."


@pytest.mark.parametrize("sent", ["anna", {"id": "anna"}])
async def test_a_voice_of_the_library(sent: Any) -> None:
    gateway = SpeakingGateway()
    gateway.library["anna"] = Voice("anna", ("Hello.",), VoiceDetails(), 0.0, 0.0)
    assert (await speak(gateway, voice=sent)).status_code == 200
    assert gateway.spoken.voice == "anna"


@pytest.mark.parametrize("sent", [*sorted(STOCK_VOICES), "Alloy", "NOVA", {"id": "alloy"}])
async def test_stock_voices_are_the_default_voice(sent: Any) -> None:
    gateway = SpeakingGateway()
    assert (await speak(gateway, voice=sent)).status_code == 200
    assert gateway.spoken.voice is None


async def test_a_stock_voice_that_the_library_has() -> None:
    gateway = SpeakingGateway()
    gateway.library["nova"] = Voice("nova", ("Hello.",), VoiceDetails(), 0.0, 0.0)
    for sent in ("nova", "Nova"):
        await speak(gateway, voice=sent)
        assert gateway.spoken.voice == "nova"
        gateway.speech_requests.clear()


@pytest.mark.parametrize("events", ["audio", "sse"])
async def test_an_unknown_voice_is_not_found(events: str) -> None:
    response = await speak(voice="nobody", stream_format=events)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (404, "voice_not_found", "voice")
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("beside", [{}, {"voice": "alloy"}, {"voice": "Alloy"}])
async def test_references(beside: dict[str, Any]) -> None:
    gateway = SpeakingGateway()
    gateway.library["alloy"] = Voice("alloy", ("Hello.",), VoiceDetails(), 0.0, 0.0)
    one = {"audio": base64.b64encode(b"RIFF one").decode(), "text": "First."}
    two = {"audio": "data:audio/wav;base64," + base64.b64encode(b"RIFF two").decode(), "text": ""}
    assert (await speak(gateway, references=[one, two], **beside)).status_code == 200
    assert (gateway.spoken.voice, gateway.spoken.reference_texts) == (None, ("First.", ""))
    assert gateway.references == [[b"RIFF one", b"RIFF two"]]


async def test_large_bodies_and_their_limits() -> None:
    gateway = SpeakingGateway()
    audio = base64.b64encode(bytes(9_000_000)).decode()
    assert (await speak(gateway, references=[{"audio": audio, "text": "a"}])).status_code == 200
    assert len(gateway.references[0][0]) == 9_000_000
    many = {"input": "a", "references": [[]] * 4_000_000}
    response = await ask(gateway, many, SPEECH)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "payload_too_large")
    assert "more than 500000 values" in message(response)
    response = await ask(gateway, b'{"input": "' + bytes(34_000_000) + b'"}', SPEECH)
    assert response.status_code == 413


async def test_in_how_many_pieces_a_text_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = SpeakingGateway()

    async def judged(request: Any, references: Any = ()) -> Any:
        yield Started(RATE, 3, 1, 9, {"hate": 0.25}, 4)
        yield Audio(np.zeros(800, np.float32), 0)
        yield Finished(800, 1)

    assert "x-judged-pieces" not in (await speak(gateway)).headers
    monkeypatch.setattr(gateway, "speak", judged)
    for stream in (True, False):
        assert (await speak(gateway, stream=stream)).headers["x-judged-pieces"] == "4"
    events = (await speak(gateway, stream_format="sse")).text
    assert '"judged_pieces":4' in events.replace(" ", "")
