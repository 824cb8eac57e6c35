"""``/v1/audio/voices``: the library, over HTTP and by the ``openai`` package."""

import asyncio
import base64
from typing import Any

import httpx
import pytest
from openai import NotFoundError, OpenAI
from openai.types.audio import Voice as OpenAIVoice

from deployments.errors import InvalidRequest
from deployments.fish_speech.types import Voice, VoiceDetails
from serve_app.gateway.model_index import ModelIndex
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.server import serving
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.speech_stub import SPEECH_MODEL
from tests.serve_app.http.stub import TEXT, app_of, client_of, message

VOICES = "/v1/audio/voices"
FILE = ("anna.wav", b"RIFF anna", "audio/wav")
ENCODED = base64.b64encode(b"RIFF anna").decode()


async def send(
    gateway: SpeakingGateway, method: str = "POST", path: str = VOICES, **options: Any
) -> httpx.Response:
    async with client_of(app_of(gateway)) as client:
        return await client.request(method, path, **options)


def library(*names: str) -> SpeakingGateway:
    gateway = SpeakingGateway()
    for name in names:
        gateway.library[name] = Voice(name, ("Hello.",), VoiceDetails(title=name.title()), 5.0, 6.5)
    return gateway


ANNA = {
    "id": "anna",
    "object": "audio.voice",
    "created_at": 1_700_000_000,
    "updated_at": 1_700_000_000,
    "name": "anna",
    "type": "audio_sample",
    "description": "",
    "tags": [],
    "languages": [],
    "texts": ["Hello."],
    "shipped": False,
}


@pytest.mark.parametrize("file", ["audio_sample", "audio_sample[]", "file", "files"])
@pytest.mark.parametrize("text", ["text", "transcript", "texts[]"])
async def test_a_form_makes_a_voice(file: str, text: str) -> None:
    gateway = SpeakingGateway()
    response = await send(gateway, data={"name": "anna", text: "Hello."}, files={file: FILE})
    assert (response.status_code, response.json()) == (200, ANNA)
    assert gateway.references == [[b"RIFF anna"]]


async def test_json_makes_a_voice() -> None:
    gateway = SpeakingGateway()
    body = {"name": "anna", "audio_sample": ENCODED, "text": "Hello."}
    response = await send(gateway, json=body)
    assert (response.status_code, response.json()) == (200, ANNA)
    assert gateway.references == [[b"RIFF anna"]]


async def test_several_recordings_and_all_that_can_be_said() -> None:
    gateway = SpeakingGateway()
    details = {"description": "Of the north.", "tags": ["calm", "low"], "languages": ["en"]}
    body = {"name": "Änna 2", "id": "anna-2", "audio_sample": [ENCODED, "data:;base64,AAAA"], "text": ["a", "b"]}
    response = await send(gateway, json={**body, **details, "color": "blue"})
    assert response.headers["x-ignored-fields"] == "color"
    assert response.json() == {**ANNA, **details, "id": "anna-2", "name": "Änna 2", "texts": ["a", "b"]}
    assert gateway.references == [[b"RIFF anna", bytes(3)]]
    form = {"name": "form", "text": ["a", "b"], "tags": ["calm", "low"], "languages[]": "en", "description": "D."}
    files = [("audio_sample", FILE), ("audio_sample", ("2.wav", b"RIFF two"))]
    shown = (await send(gateway, data=form, files=files)).json()
    assert (shown["texts"], shown["tags"], shown["languages"]) == (["a", "b"], ["calm", "low"], ["en"])
    assert gateway.references[1] == [b"RIFF anna", b"RIFF two"]


async def test_a_missing_transcript_is_written_down() -> None:
    gateway = SpeakingGateway()
    response = await send(gateway, data={"name": "anna"}, files={"audio_sample": FILE})
    assert response.json()["texts"] == [TEXT]
    (upload,) = gateway.uploads
    assert upload is not None
    assert upload.data.tobytes() == b"RIFF anna"


async def test_a_transcript_that_nobody_can_write_down() -> None:
    silent = SpeakingGateway()
    silent.script = (silent.script[0], silent.script[-1])
    response = await send(silent, data={"name": "anna"}, files={"audio_sample": FILE})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "text")
    assert "No words were heard" in message(response)
    alone = SpeakingGateway()
    alone.models = ModelIndex([SPEECH_MODEL])
    response = await send(alone, data={"name": "anna"}, files={"audio_sample": FILE})
    assert message(response) == "`text` is missing: send what is said in the recording."
    assert not alone.library


@pytest.mark.parametrize(
    ("body", "param", "sentence"),
    [
        ({"name": None}, "name", None),
        ({"name": "../x"}, "name", "`name` has to be 1 to 255 Latin letters"),
        ({"name": "Änna"}, "name", "send another `id` beside it."),
        ({"name": "x ", "id": None}, "name", "no blank at its end, not 'x '"),
        ({"id": "a/b"}, "id", "`id` has to be 1 to 255 Latin letters"),
        ({"name": "x" * 256}, "name", "of at most 255 characters"),
        ({"audio_sample": "%"}, "audio_sample", "`audio_sample` has to be an audio file in base64."),
        ({"audio_sample": []}, "audio_sample", "`audio_sample` has to be a file, or at most 64 of them."),
        ({"audio_sample": [ENCODED] * 65}, "audio_sample", "at most 64 of them."),
        ({"audio_sample": 7}, "audio_sample", "has to be an audio file in base64."),
        ({"text": ["a", "b"]}, "text", "There are 1 recordings and 2 transcripts; send one for each."),
        ({"text": 7}, "text", "`text` has to be text or a list of texts, at most 64, not '7'."),
        ({"tags": ["x" * 65]}, "tags", "`tags` has to be at most 64 texts of 1 to 64 characters."),
        ({"tags": ["x"] * 65}, "tags", "`tags` has to be at most 64 texts"),
        ({"tags": [7]}, "tags", "`tags` has to be a list of texts"),
        ({"description": "x" * 5_000}, "description", "of at most 4096 characters"),
        ({"type": "prompt"}, "prompt", "Voices are not made from prompts here; send a recording"),
        ({"prompt": "A deep one."}, "prompt", "Voices are not made from prompts here"),
        ({"script_hint": "Hm."}, "prompt", "Voices are not made from prompts here"),
        ({"type": "x"}, "type", "`type` has to be one of audio_sample, prompt, not 'x'."),
    ],
)
async def test_refusals(body: dict[str, Any], param: str, sentence: str | None) -> None:
    gateway = SpeakingGateway()
    response = await send(gateway, json={"name": "anna", "audio_sample": ENCODED, "text": "Hello.", **body})
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert sentence is None or sentence in message(response)
    assert not gateway.library


@pytest.mark.parametrize("missing", ["name", "audio_sample"])
async def test_what_is_missing(missing: str) -> None:
    body = {"name": "anna", "audio_sample": ENCODED}
    del body[missing]
    response = await send(SpeakingGateway(), json=body)
    assert message(response).startswith(f"`{missing}` is missing; it has to be ")


async def test_an_empty_file_and_a_taken_name() -> None:
    gateway = library("anna")
    response = await send(gateway, data={"name": "b"}, files={"audio_sample": ("a.wav", b"")})
    assert (response.status_code, message(response)) == (400, "The file is empty.")
    response = await send(gateway, data={"name": "anna", "text": "a"}, files={"audio_sample": FILE})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "voice_conflict")
    assert response.headers["x-should-retry"] == "false"


async def test_the_list_and_its_pages() -> None:
    gateway = library("anna", "ben", "eve")
    answer = (await send(gateway, "GET")).json()
    assert [voice["id"] for voice in answer["data"]] == ["anna", "ben", "eve"]
    assert (answer["object"], answer["first_id"], answer["last_id"], answer["has_more"]) == (
        "list",
        "anna",
        "eve",
        False,
    )
    assert answer["voices"][0] == {"id": "anna", "name": "Anna"}
    assert answer["data"][0] | {"created_at": 5, "updated_at": 6, "name": "Anna"} == answer["data"][0]
    page = (await send(gateway, "GET", params={"limit": 1, "after": "anna"})).json()
    assert ([voice["id"] for voice in page["data"]], page["has_more"]) == (["ben"], True)
    page = (await send(gateway, "GET", params={"after": "ben"})).json()
    assert ([voice["id"] for voice in page["data"]], page["has_more"]) == (["eve"], False)
    assert (await send(SpeakingGateway(), "GET")).json()["data"] == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"limit": "0"}, 400),
        ({"limit": "-1"}, 400),
        ({"limit": "²"}, 400),
        ({"limit": "9" * 5_000}, 400),
        ({"after": "nobody"}, 404),
        ({"model": "nothing"}, 404),
        ({"model": "whisper-1"}, 400),
    ],
)
async def test_questions_that_cannot_be(query: dict[str, str], status: int) -> None:
    assert (await send(library("anna"), "GET", params=query)).status_code == status


async def test_one_voice_is_shown_changed_and_deleted() -> None:
    gateway = library("anna", "a b/c d")
    assert (await send(gateway, "GET", f"{VOICES}/anna")).json()["name"] == "Anna"
    assert (await send(gateway, "GET", f"{VOICES}/a%20b/c%20d")).json()["id"] == "a b/c d"
    body = {"name": "Anne", "description": "Of the north."}
    changed = (await send(gateway, path=f"{VOICES}/anna", json=body)).json()
    assert (changed["id"], changed["name"], changed["description"]) == ("anna", "Anne", "Of the north.")
    changed = (await send(gateway, path=f"{VOICES}/anna", json={"id": "anne", "tags": ["calm"]})).json()
    assert (changed["id"], changed["name"], changed["tags"]) == ("anne", "Anne", ["calm"])
    assert changed["description"] == "Of the north."
    refused = await send(gateway, path=f"{VOICES}/anne", json={"id": "../x"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "id")
    deleted = await send(gateway, "DELETE", f"{VOICES}/anne")
    assert deleted.json() == {"id": "anne", "object": "audio.voice.deleted", "deleted": True}
    for method, options in (("GET", {}), ("DELETE", {}), ("POST", {"json": {"name": "x"}})):
        gone = await send(gateway, method, f"{VOICES}/anne", **options)
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "voice_not_found")


def test_the_openai_package() -> None:
    """Its users send a consent and no transcript."""
    gateway = SpeakingGateway()
    with serving(app_of(gateway)) as url, OpenAI(base_url=f"{url}/v1", api_key="-", max_retries=0) as client:
        made = client.audio.voices.create(name="anna", audio_sample=FILE, consent="consent_1")
        assert isinstance(made, OpenAIVoice)
        assert (made.id, made.name, made.object, made.type) == ("anna", "anna", "audio.voice", "audio_sample")
        assert gateway.library["anna"].texts == (TEXT,)
        told = client.audio.voices.create(
            name="ben", audio_sample=FILE, consent="consent_1", extra_body={"text": "Hello."}
        )
        assert gateway.library[told.id].texts == ("Hello.",)
        spoken = client.audio.speech.create(model="tts-1", input="Hello.", voice={"id": told.id})
        assert spoken.content
        assert gateway.spoken.voice == "ben"
        gone = client.audio.voices.delete("anna")
        assert (gone.id, gone.deleted, gone.object) == ("anna", True, "audio.voice.deleted")
        with pytest.raises(NotFoundError):
            client.audio.voices.delete("anna")


async def test_a_client_that_leaves_stops_the_writing_down() -> None:
    gateway = SpeakingGateway()
    gateway.script = (asyncio.Event(),)
    call = AsgiCall(app_of(gateway), VOICES, headers={"content-type": "application/json"}).start()
    call.feed(b'{"name": "anna", "audio_sample": "AAAA"}')
    while not gateway.active:
        await asyncio.sleep(0)
    call.leave()
    await call.finished()
    assert (gateway.active, gateway.library) == (0, {})


async def test_what_the_library_refuses_is_told() -> None:
    class Full(SpeakingGateway):
        async def add_voice(self, *_: Any) -> Voice:
            raise InvalidRequest("No voices can be kept here.")

    response = await send(Full(), data={"name": "anna", "text": "a"}, files={"audio_sample": FILE})
    assert (response.status_code, message(response)) == (400, "No voices can be kept here.")
