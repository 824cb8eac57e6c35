"""``/model`` and ``/v1/asr`` where the clients of the hosted service do not go."""

import base64
import io
from typing import Any

import numpy as np
import pytest

from deployments.errors import ModelNotFound, UndecodableAudio, VoiceConflict
from media.decode import probe
from serve_app.gateway.model_index import ModelIndex
from tests.serve_app.http.fish.support import WAV, cloud_sentence, gateway_with, send, unpacked, voice
from tests.serve_app.http.speech_stub import SPEECH_MODEL
from tests.serve_app.http.stub import FINISHED, SEGMENTS, TEXT, app_of, client_of, segment

ASR = "/v1/asr"


async def test_transcription_in_json_and_forms() -> None:
    gateway = gateway_with()
    body = {"audio": base64.b64encode(WAV).decode(), "language": "German", "ignore_timestamps": True}
    assert (await send(gateway, body, ASR)).json() == {
        "text": TEXT,
        "duration": FINISHED.duration * 1_000,
        "segments": [],
    }
    async with client_of(app_of(gateway)) as client:
        form = await client.post(ASR, data={"language": "auto"}, files={"audio": ("a.wav", WAV)})
    assert len(form.json()["segments"]) == len(SEGMENTS)
    assert [request.language for request in gateway.requests] == ["de", None]
    assert [upload.data.tobytes() for upload in gateway.uploads if upload] == [WAV, WAV]


async def test_samples_as_fish_speechs_own_server_takes_them() -> None:
    gateway = gateway_with()
    gateway.script = (segment(0, " One.", 0, 1), segment(1, " Two.", 6, 7), FINISHED)
    samples = np.linspace(-1, 1, 8_000).astype("<f2").tobytes()
    body = {"audios": [samples, samples], "sample_rate": 16_000, "language": "zh"}
    response = await send(gateway, body, ASR, msgpack=True)
    one = {"text": "One. Two.", "duration": FINISHED.duration * 1_000, "huge_gap": True}
    assert unpacked(response) == {"transcriptions": [one, one]}
    assert [request.language for request in gateway.requests] == ["zh", "zh"]
    upload = gateway.uploads[0]
    assert upload is not None
    info = probe(io.BytesIO(upload.data.tobytes()))
    assert info.duration_s == 0.5


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 422, "audio: Field required"),
        ({"audio": b""}, 422, "audio: Audio should be the bytes of a file, not empty"),
        ({"audio": WAV, "language": 3}, 422, "language: Input should be a valid string"),
        ({"audio": WAV, "model": "s9"}, 404, "The model 's9' is not served here."),
        ({"audios": []}, 422, "audios: List should have at least 1 item"),
        ({"audios": [b"123"]}, 400, "`audios` has to hold float16 samples, two bytes each."),
        ({"audios": [bytes(2 * 30 * 8_000)], "sample_rate": 8_000}, 400, "Audio length is too long"),
    ],
)
async def test_what_cannot_be_transcribed(body: Any, status: int, words: str) -> None:
    response = await send(gateway_with(), body, ASR, msgpack=True)
    assert response.status_code == status
    assert cloud_sentence(response).startswith(words)


async def test_recordings_that_nobody_transcribes() -> None:
    gateway = gateway_with()
    gateway.models = ModelIndex([SPEECH_MODEL])
    async with client_of(app_of(gateway)) as client:
        response = await client.post("/model", data={"title": "Anna"}, files=[("voices", WAV)])
    assert response.status_code == 400
    assert cloud_sentence(response).startswith("`texts` is missing, and no model here could transcribe `voices`;")


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        ({}, 422, "title: Field required"),
        ({"title": ""}, 422, "title: String should have at least 1 character"),
        ({"title": "a", "type": "svc"}, 422, "type: String should match pattern '^tts$'"),
        ({"title": "a", "train_mode": "full"}, 422, "train_mode: String should match pattern '^fast$'"),
        ({"title": "a", "texts": ["a", "b"]}, 400, "There are 1 `voices` and 2 `texts`; send one text for each"),
        ({"title": "a", "tags": ["x" * 65], "texts": ["b"]}, 422, "tags.0: String should have at most 64"),
        ({"title": "a", "texts": ["x" * 10_001]}, 422, "texts.0: String should have at most 10000 characters"),
        ({"title": "a", "description": "x" * 5_000}, 422, "description: String should have at most 4096"),
    ],
)
async def test_voices_that_cannot_be_made(data: Any, status: int, words: str) -> None:
    gateway = gateway_with()
    async with client_of(app_of(gateway)) as client:
        response = await client.post("/model", data=data, files=[("voices", WAV)])
    assert response.status_code == status
    assert cloud_sentence(response).startswith(words)
    assert gateway.library == {}


async def test_texts_that_are_no_unicode() -> None:
    audio = base64.b64encode(WAV).decode()
    body = f'{{"title": "a", "voices": ["{audio}"], "texts": ["\\ud800"]}}'.encode()
    response = await send(gateway_with(), body, "/model")
    assert (response.status_code, cloud_sentence(response)[:25]) == (422, "texts.0: Input should be ")


async def test_voices_in_msgpack() -> None:
    gateway = gateway_with()
    body = {"title": "Anna", "voices": [WAV], "texts": ["Hello."], "languages": ["en"]}
    made = await send(gateway, body, "/model", msgpack=True)
    assert (made.status_code, made.json()["languages"]) == (201, ["en"])
    name = made.json()["_id"]
    changed = await send(gateway, {"description": "Calm."}, f"/model/{name}", method="PATCH")
    assert (changed.json()["description"], changed.json()["languages"]) == ("Calm.", ["en"])
    assert (await send(gateway, path=f"/model/{name}", method="DELETE")).status_code == 204


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("page_size=0", "page_size: Input should be greater than or equal to 1"),
        ("page_size=x", "page_size: Input should be a valid integer"),
        ("page_number=0", "page_number: Input should be greater than or equal to 1"),
        ("sort_by=other", "sort_by: Input should be 'task_count' or 'created_at'"),
        ("self=maybe", "self: Input should be a valid boolean"),
    ],
)
async def test_lists_that_there_are_not(query: str, words: str) -> None:
    response = await send(gateway_with(), path=f"/model?{query}", method="GET")
    assert response.status_code == 422
    assert cloud_sentence(response).startswith(words)


async def test_failures_of_the_library() -> None:
    gateway = gateway_with(voice("a", shipped=True))
    failures: list[Exception] = [
        VoiceConflict("The voice 'a' is shipped and not to be changed."),
        UndecodableAudio("Recording 1 is no audio."),
        ModelNotFound("No such model."),
        ZeroDivisionError("a bug"),
    ]

    async def refuse(*arguments: Any) -> Any:
        raise failures[0]

    gateway.delete_voice = refuse  # type: ignore[method-assign]
    for status in (409, 400, 404, 500):
        response = await send(gateway, path="/model/a", method="DELETE")
        assert response.status_code == status
        assert "a bug" not in cloud_sentence(response)
        failures.pop(0)
    for path in ("/model/../a", "/model/%2e%2e%2fa", "/model/nobody"):
        unknown = await send(gateway, path=path, method="GET")
        assert unknown.status_code == 404
