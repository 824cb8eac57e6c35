"""``/v1/invoke``: fish-speech 1.1's route."""

import base64
import json
from typing import Any

import pytest

from deployments.fish_speech.types import SamplingOptions
from serve_app.http.fish.invoke_body import DEMO_TEXT
from tests.media.sound import decoded
from tests.serve_app.http.fish.support import WAV, gateway_with, send, sentence, voice

INVOKE = "/v1/invoke"


async def test_nothing_is_required() -> None:
    gateway = gateway_with()
    response = await send(gateway, {}, INVOKE)
    assert (response.status_code, response.headers["content-type"]) == (200, "audio/wav")
    assert response.headers["content-disposition"] == "attachment; filename=audio.wav"
    request = gateway.spoken
    assert request.text == DEMO_TEXT
    assert request.sampling == SamplingOptions(
        temperature=0.7, top_p=0.7, repetition_penalty=1.5, max_new_tokens=0, chunk_length=150
    )
    assert request.sampling.model_fields_set == SamplingOptions.model_fields.keys() - {"seed"}


async def test_every_field_arrives() -> None:
    gateway = gateway_with()
    body = {
        "text": "a",
        "reference_text": "Silence.",
        "reference_audio": base64.b64encode(WAV).decode(),
        "max_new_tokens": -1,
        "chunk_length": 0,
        "top_p": 0.1,
        "repetition_penalty": 2,
        "temperature": 1,
        "speaker": "anna",
        "emotion": "sad",
        "ref_json": "ref_data.json",
        "ref_base": "ref_data",
        "other": 1,
    }
    response = await send(gateway, body, INVOKE)
    assert response.headers["x-ignored-fields"] == "other"
    request = gateway.spoken
    assert (request.reference_texts, gateway.references) == (("Silence.",), [[WAV]])
    assert (request.speaker, request.voice) == ("anna", None)
    assert request.sampling == SamplingOptions(
        temperature=1, top_p=0.1, repetition_penalty=2, max_new_tokens=0, chunk_length=0
    )


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"speaker": "anna"}, "anna"),
        ({"speaker": "anna", "emotion": "sad"}, "anna/sad"),
        ({"speaker": "anna", "emotion": "glad"}, "anna"),
        ({"speaker": "bob", "emotion": "sad"}, None),
        ({"speaker": "bob"}, None),
        ({"emotion": "sad"}, None),
        ({"speaker": ""}, None),
        ({"speaker": "../anna", "emotion": "sad"}, None),
        ({"speaker": "anna", "emotion": "../sad"}, "anna"),
    ],
)
async def test_speakers_and_their_moods(body: dict[str, Any], found: str | None) -> None:
    """Those of the library speak; of a name that the library lacks the model may know more."""
    gateway = gateway_with(voice("anna"), voice("anna/sad"))
    assert (await send(gateway, body, INVOKE)).status_code == 200
    assert (gateway.spoken.voice, gateway.spoken.speaker) == (found, body.get("speaker") or None)


@pytest.mark.parametrize(("kind", "sent"), [("wav", "audio/wav"), ("mp3", "audio/mpeg"), ("flac", "audio/flac")])
async def test_formats(kind: str, sent: str) -> None:
    response = await send(gateway_with(), {"text": "Hello", "format": kind}, INVOKE)
    assert (response.headers["content-type"], int(response.headers["content-length"])) == (
        sent,
        len(response.content),
    )
    assert 4_000 <= len(decoded(response.content)) < 6_000


async def test_streams() -> None:
    response = await send(gateway_with(), {"text": "Hello", "streaming": True}, INVOKE)
    assert response.content[4:8] == b"\xff" * 4
    assert "content-length" not in response.headers


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"streaming": True, "format": "mp3"}, "Streaming only supports WAV format"),
        (
            {"ref_json": "other.json"},
            "`ref_json` cannot be chosen here: voices are found in the",
        ),
        ({"ref_base": "/etc"}, "`ref_base` cannot be chosen here: voices are found in the server's library."),
        ({"text": " "}, "`text` is blank; send what to say."),
    ],
)
async def test_what_cannot_be_honoured(body: dict[str, Any], words: str) -> None:
    response = await send(gateway_with(), body, INVOKE)
    assert response.status_code == 400
    assert sentence(response).startswith(words)


async def test_json_only() -> None:
    response = await send(gateway_with(), {"text": "a"}, INVOKE, msgpack=True)
    assert response.status_code == 415
    assert sentence(response) == "The request body is application/msgpack; send JSON as `application/json`."
    broken = await send(gateway_with(), {"reference_audio": "?" * 300}, INVOKE)
    assert (broken.status_code, broken.json()[0]["loc"]) == (422, ["reference_audio"])
    long = await send(gateway_with(), json.dumps({"chunk_length": True}).encode(), INVOKE)
    assert (long.status_code, long.json()[0]["type"]) == (422, "int_type")
