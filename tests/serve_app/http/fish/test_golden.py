"""What fish-speech's own servers were seen to accept, refuse and answer, with the differences that are meant."""

from typing import Any

import pytest
from pydantic import ValidationError

from serve_app.http.fish.invoke_body import InvokeBody
from serve_app.tasks.speech.fish_fields import TtsBody
from tests.serve_app.http.fish.support import GOLDEN, MSGPACK, TTS, gateway_with, send
from tests.serve_app.http.stub import app_of, client_of

SPOKEN_HERE = ("opus", "flac")  # formats that version 1.5 names and refuses
SEEN: dict[str, dict[str, Any]] = {case["case"]: case for case in GOLDEN["v15_http"]}


def _cases(version: str) -> Any:
    cases = GOLDEN[f"{version}_schema"]
    return pytest.mark.parametrize("case", cases, ids=[str(case["body"]) for case in cases])


def _errors(model: type[TtsBody] | type[InvokeBody], body: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        model.model_validate(body)
    except ValidationError as error:
        return [{"type": one["type"], "loc": list(one["loc"])} for one in error.errors()]
    return []


@_cases("v15")
def test_fields_of_version_1_5(case: dict[str, Any]) -> None:
    body = {"text": "x", **case["body"]}
    if case["body"].get("format") in SPOKEN_HERE:
        assert not case["accepted"]
        assert TtsBody.model_validate(body).format in SPOKEN_HERE
        return
    assert _errors(TtsBody, body) == case.get("errors", [])
    if case["accepted"]:
        assert case["parsed"].items() <= TtsBody.model_validate(body).model_dump().items()


@_cases("v11")
def test_fields_of_version_1_1(case: dict[str, Any]) -> None:
    assert _errors(InvokeBody, case["body"]) == case.get("errors", [])
    if case["accepted"]:
        assert case["parsed"].items() <= InvokeBody.model_validate(case["body"]).model_dump().items()


def test_defaults() -> None:
    assert GOLDEN["v15_defaults"].items() <= TtsBody(text="x").model_dump().items()
    ours = {"text_format": "plain", "normalize": False}  # which the original does not have
    assert InvokeBody().model_dump() == GOLDEN["v11_defaults"] | ours


@pytest.mark.parametrize(
    ("name", "body"),
    [("out of range top_p", {"text": "a", "top_p": 9}), ("missing text", {}), ("malformed json", b"{x")],
)
async def test_what_is_wrong_with_a_body(name: str, body: Any) -> None:
    response = await send(gateway_with(), body)
    seen = SEEN[name]
    assert (response.status_code, response.headers["content-type"]) == (seen["status"], seen["content_type"])
    assert response.json() == seen["body"]


@pytest.mark.parametrize("name", ["valid json", "valid msgpack"])
async def test_what_is_right(name: str) -> None:
    response = await send(gateway_with(), {"text": "a"}, msgpack="msgpack" in name)
    assert (response.status_code, response.headers["content-type"]) == (SEEN[name]["status"], "audio/wav")


async def test_malformed_msgpack_is_the_clients_mistake() -> None:
    response = await send(gateway_with(), b"\xc1", msgpack=True)
    seen = SEEN["malformed msgpack"]["body"]
    assert response.status_code == 400
    assert response.json() == {
        "statusCode": 400,
        "message": f"The msgpack in the request body cannot be read: {seen['message']}.",
        "error": "Bad Request",
    }


async def test_another_content_type() -> None:
    response = await send(gateway_with(), b"text", headers={"content-type": "text/plain"})
    seen = SEEN["wrong content type"]
    assert (response.status_code, response.headers["accept"]) == (
        seen["status"],
        "application/json, application/msgpack",
    )
    assert response.json() == seen["body"] | {
        "message": "The request body is text/plain; send JSON as `application/json` or msgpack as "
        "`application/msgpack`."
    }


async def test_another_method() -> None:
    response = await send(gateway_with(), method="GET")
    seen = SEEN["GET on POST route"]
    assert (response.status_code, response.text) == (seen["status"], seen["body"])
    assert (response.headers["allow"], response.headers.get("content-type")) == (
        seen["allow"],
        seen["content_type"],
    )


async def test_another_path() -> None:
    response = await send(gateway_with(), {}, "/v1/references/nothing")
    seen = SEEN["unknown path"]
    assert response.status_code == seen["status"]
    assert response.json() == seen["body"] | {
        "message": "There is nothing at POST /v1/references/nothing. See /docs."
    }


async def test_the_header_of_streams() -> None:
    """The original's with the sizes of a stream, at the rate of the speech."""
    response = await send(gateway_with(), {"text": "a", "streaming": True, "sample_rate": 44_100})
    seen = bytes.fromhex(GOLDEN["stream_wav_header_hex"])
    assert response.content[:44] == seen[:4] + b"\xff" * 4 + seen[8:40] + b"\xff" * 4


async def test_keys() -> None:
    """The original's message for a wrong key is \"Invalid token\", and none where there is none."""
    async with client_of(app_of(gateway_with(), keys=["k"])) as client:
        for path in (TTS, "/v1/health"):
            wrong = await client.post(path, headers={**MSGPACK, "authorization": "Bearer other"})
            missing = await client.post(path, headers=MSGPACK)
            assert (wrong.status_code, missing.status_code) == (401, 401)
            assert wrong.json() == {
                "statusCode": 401,
                "message": "The API key is not one that this server knows.",
                "error": "Unauthorized",
            }
            assert missing.json()["error"] == "Unauthorized"
            assert missing.json()["message"].startswith("This server wants an API key")
            assert missing.headers["www-authenticate"] == "Bearer"
