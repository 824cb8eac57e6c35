"""``/v1/references/*``: the library in the manner of fish-speech's newest server."""

import base64
from typing import Any

import httpx
import pytest

from deployments.errors import Overloaded
from tests.serve_app.http.fish.support import MSGPACK, WAV, gateway_with, send, sentence, unpacked, voice
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.stub import app_of, client_of

ADD, LIST = "/v1/references/add", "/v1/references/list"
DELETE, UPDATE = "/v1/references/delete", "/v1/references/update"
JSON = {"accept": "application/json"}
NEW: dict[str, Any] = {"id": "my voice-1", "audio": WAV, "text": "Hello."}


async def form(gateway: SpeakingGateway, path: str, method: str = "POST", **options: Any) -> httpx.Response:
    async with client_of(app_of(gateway)) as client:
        return await client.request(method, path, headers=JSON, **options)


async def test_adding() -> None:
    text = base64.b64encode(WAV).decode()
    for sent in (
        {"body": NEW, "msgpack": True},
        {"body": NEW | {"audio": text}},
    ):
        gateway = gateway_with()
        response = await send(gateway, path=ADD, headers=JSON, **sent)
        assert response.json() == {
            "success": True,
            "message": "The reference 'my voice-1' was added.",
            "reference_id": "my voice-1",
        }
        assert (gateway.library["my voice-1"].texts, gateway.references) == (("Hello.",), [[WAV]])


async def test_adding_by_a_form() -> None:
    gateway = gateway_with()
    data = {"id": "anna", "text": "Hello."}
    response = await form(gateway, ADD, data=data, files={"audio": ("a.wav", WAV, "audio/wav")})
    assert (response.status_code, response.json()["reference_id"]) == (200, "anna")
    assert gateway.references == [[WAV]]


async def test_listing() -> None:
    gateway = gateway_with(voice("b"), voice("a"))
    expected = {"success": True, "message": "There are 2 references.", "reference_ids": ["a", "b"]}
    assert unpacked(await send(gateway, path=LIST, method="GET")) == expected
    assert unpacked(await send(gateway, path=LIST, method="GET", headers={"accept": "*/*"})) == expected
    assert unpacked(await send(gateway, path=f"{LIST}?format=msgpack", method="GET", headers=JSON)) == expected
    assert (await send(gateway, path=LIST, method="GET", headers=JSON)).json() == expected
    assert (await send(gateway, path=f"{LIST}?format=json", method="GET")).json() == expected
    unknown = await send(gateway, path=f"{LIST}?model=s9", method="GET")
    assert (unknown.status_code, sentence(unknown)[:32]) == (404, "The model 's9' is not served her")


async def test_deleting() -> None:
    for sent in ({"msgpack": True}, {}):
        gateway = gateway_with(voice("a"), voice("b"))
        response = await send(gateway, {"reference_id": "a"}, DELETE, method="DELETE", headers=JSON, **sent)
        assert response.json() == {
            "success": True,
            "message": "The reference 'a' was deleted.",
            "reference_id": "a",
        }
        assert list(gateway.library) == ["b"]
    gateway = gateway_with(voice("a"))
    assert (await form(gateway, DELETE, "DELETE", data={"reference_id": "a"})).status_code == 200
    assert not gateway.library


async def test_renaming() -> None:
    gateway = gateway_with(voice("a", "One.", title="Anna"))
    body = {"old_reference_id": "a", "new_reference_id": "anna b"}
    response = await send(gateway, body, UPDATE, headers=JSON)
    assert response.json() == {
        "success": True,
        "message": "The reference 'a' is now 'anna b'.",
        "reference_id": "anna b",
        "old_reference_id": "a",
        "new_reference_id": "anna b",
    }
    assert gateway.library["anna b"].details.title == "Anna"


@pytest.mark.parametrize(
    ("path", "method", "body", "status", "words"),
    [
        (ADD, "POST", NEW | {"id": "there"}, 409, "There is a voice 'there' already."),
        (ADD, "POST", NEW | {"id": "../a"}, 400, "`id` has to consist of letters, digits, blanks, `-` and `_`,"),
        (ADD, "POST", NEW | {"id": ""}, 400, "`id` has to consist of"),
        (ADD, "POST", NEW | {"id": "a "}, 400, "`id` has to consist of"),
        (ADD, "POST", NEW | {"id": "a\n"}, 400, "`id` has to consist of"),
        (ADD, "POST", NEW | {"id": "a" * 256}, 400, "`id` has to consist of"),
        (ADD, "POST", NEW | {"text": " "}, 400, "`text` is blank; send what to say."),
        (DELETE, "DELETE", {"reference_id": "a"}, 404, "There is no voice 'a'."),
        (DELETE, "DELETE", {"reference_id": "../../etc"}, 404, "There is no voice '../../etc'."),
        (UPDATE, "POST", {"old_reference_id": "a", "new_reference_id": "b"}, 404, "There is no voice 'a'."),
        (UPDATE, "POST", {"old_reference_id": "there", "new_reference_id": "/"}, 400, "`new_reference_id` has to"),
    ],
)
async def test_what_cannot_be_done(path: str, method: str, body: Any, status: int, words: str) -> None:
    gateway = gateway_with(voice("there"))
    response = await send(gateway, body, path, method=method, msgpack=True)
    assert response.status_code == status
    answer = unpacked(response)
    named = body.get("id", body.get("reference_id", body.get("old_reference_id")))
    assert (answer.keys(), answer["success"], answer["reference_id"]) == (
        {"success", "message", "reference_id"},
        False,
        named,
    )
    assert answer["message"].startswith(words)
    assert list(gateway.library) == ["there"]


async def test_other_failures_are_told_as_everywhere() -> None:
    gateway = gateway_with()

    async def refuse(*arguments: Any) -> Any:
        raise Overloaded("Full.", retry_after_s=3)

    gateway.add_voice = refuse  # type: ignore[method-assign]
    full = await send(gateway, NEW, ADD, msgpack=True)
    assert (full.status_code, full.headers["retry-after"], sentence(full)) == (429, "3", "Full.")
    missing = await send(gateway, {"id": "a"}, ADD, msgpack=True)
    assert (missing.status_code, [one["loc"] for one in missing.json()]) == (422, [["audio"], ["text"]])
    empty = await form(gateway, ADD, data={"id": "a", "text": "b"}, files={"audio": ("a.wav", b"")})
    assert (empty.status_code, empty.json()[0]["type"]) == (422, "audio_empty")
    cut = await send(gateway, b"--x\r\n", ADD, headers={"content-type": "multipart/form-data; boundary=x"})
    assert cut.status_code == 400
    assert sentence(cut).startswith("The form in the request body cannot be read")
    text = await send(gateway, b"a", ADD, headers={"content-type": "text/plain"})
    assert text.status_code == 415
    stranger = await send(gateway, NEW, ADD, headers=MSGPACK, msgpack=True, keys=("k",))
    assert (stranger.status_code, gateway.library) == (401, {})
