"""JSON bodies: of the wrong kind, cut off, hostile, too large, too deep."""

import asyncio
import contextlib
import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from deployments.errors import InvalidRequest
from serve_app.concurrency import LARGE_BYTES
from serve_app.http.bodies.json_body import MAX_BYTES, parse_json, parse_object
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.stub import (
    CLASSIFY,
    MODERATIONS,
    StubGateway,
    app_of,
    ask,
    client_of,
    message,
    multipart,
)

JSON = {"content-type": "application/json"}
ROUTES = pytest.mark.parametrize("path", [CLASSIFY, MODERATIONS])


@ROUTES
@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The request body is empty; send a JSON object."),
        (b" \r\n", "The request body is empty; send a JSON object."),
        (b"{}", "`input` is missing; it has to be text or a list of texts"),
        (b"[]", "The JSON in the request body has to be an object."),
        (b'"text"', "The JSON in the request body has to be an object."),
        (b"null", "The JSON in the request body has to be an object."),
        (b"1", "The JSON in the request body has to be an object."),
        (b'{"input": "a"', "The request body is not valid JSON at line 1, column 14: expecting ',' delimiter."),
        (b'{"input": "a', "The request body is not valid JSON at line 1, column 11: unterminated string."),
        (b'{\n "input":\n}', "The request body is not valid JSON at line 3, column 1: expecting value."),
        (b'{"input": "a"} {}', "The request body is not valid JSON at line 1, column 16: extra data."),
        (b'{"input": "a\nb"}', "The request body is not valid JSON at line 1, column 13: invalid control chara"),
        (b'{"input": "\\q"}', "The request body is not valid JSON at line 1, column 12: invalid \\escape."),
        (b"{'input': 'a'}", "The request body is not valid JSON at line 1, column 2: expecting property name"),
        (b"input=a", "The request body is not valid JSON at line 1, column 1: expecting value."),
        (b'{"input": NaN}', "The JSON in the request body holds NaN, which is no JSON."),
        (b'{"input": "a", "x": [-Infinity]}', "The JSON in the request body holds -Infinity, which is no JSON."),
        (b'{"input": "a", "input": "b"}', "The JSON in the request body has the key 'input' twice; send it once."),
        (b'{"input": "a", "x": {"y": 1, "y": 1}}', "The JSON in the request body has the key 'y' twice"),
        (b'{"input": ' + b"[" * 100_000, "The JSON in the request body is nested too deeply."),
        (b'{"input": ' + b'{"a":' * 100_000, "The JSON in the request body is nested too deeply."),
        (b'{"input": ' + b"[" * 500 + b"]" * 500 + b"}", "The JSON in the request body is nested too deeply."),
        (b'{"input": ' + b"9" * 5_000 + b"}", "The JSON in the request body holds a number with too many digits."),
        (b'{"input": "\xff"}', "The request body is not UTF-8: byte 12 cannot be read."),
        ('{"input": "ü"}'.encode("latin-1"), "The request body is not UTF-8: byte 12 cannot be read."),
        (b'{"input": "\xed\xa0\x80"}', "The request body is not UTF-8: byte 12 cannot be read."),
        (b'{"input": "\xe2\x82', "The request body is not UTF-8: byte 12 cannot be read."),
        ('{"input": "a"}'.encode("utf-16"), "The request body is not UTF-8: byte 1 cannot be read."),
        ('{"input": "a"}'.encode("utf-8-sig"), "The request body begins with a byte order mark; send the JSON"),
    ],
)  # fmt: skip
async def test_bodies_that_cannot_be_read(path: str, body: bytes, sentence: str) -> None:
    gateway = StubGateway()
    response = await ask(gateway, body, path)
    assert response.status_code == 400
    assert message(response).startswith(sentence)
    assert response.json()["error"]["code"] == "invalid_request"
    assert not gateway.questions


@ROUTES
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "json",
        "\xff",
        "audio/x+json",
    ],
)
async def test_other_content_types(path: str, content_type: str) -> None:
    async with client_of(app_of(StubGateway())) as client:
        headers = [(b"content-type", content_type.encode("latin-1"))]
        response = await client.post(path, content=b'{"input": "a"}', headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported_media_type")
    assert message(response).endswith("; send a JSON object with `Content-Type: application/json`.")


@ROUTES
async def test_forms_and_bodies_of_no_type(path: str) -> None:
    headers, body = multipart({"input": "a"})
    async with client_of(app_of(StubGateway())) as client:
        form = await client.post(path, content=body, headers=headers)
        encoded = await client.post(path, data={"input": "a"})
        nothing = await client.post(path)
    assert [response.status_code for response in (form, encoded, nothing)] == [415] * 3
    assert message(form).startswith("The request body is multipart/form-data; send a JSON object")
    assert message(encoded).startswith("The request body is application/x-www-form-urlencoded; send")
    assert message(nothing).startswith("The request body is without a content type; send")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON ; charset=UTF-8", 200),
        ("application/json; charset=us-ascii; x=y", 200),
        ("application/vnd.acme.v1+json", 200),
        ("application/json; charset=utf-16", 415),
        ("application/json; charset=latin-1", 415),
        ("application/json; charset=unicode_escape", 415),
        ("application/json; charset=no-such", 415),
        ('application/json; charset="utf\0"', 415),
    ],
)
async def test_json_under_its_names_and_in_its_charset(content_type: str, status: int) -> None:
    response = await ask(StubGateway(), {"input": "a"}, content_type=content_type)
    assert response.status_code == status
    if status == 415:
        assert message(response) == "The charset of the request body has to be utf-8."


async def test_a_stranger_type_is_refused_before_the_body_is_read() -> None:
    call = AsgiCall(app_of(StubGateway()), CLASSIFY, headers={"content-type": "text/plain"}).start()
    assert (await call.finished())[0]["status"] == 415


async def test_the_limit_of_a_body() -> None:
    """Up to the limit it is read, from the next byte on it is refused, while it comes in."""
    body = json.dumps({"input": "a"}).encode()
    filled = body + b" " * (MAX_BYTES - len(body))
    assert (await ask(StubGateway(), filled)).status_code == 200
    app = app_of(StubGateway())
    call = AsgiCall(app, CLASSIFY, headers=JSON).start()
    for _ in range(MAX_BYTES // 2**20):
        call.feed(b" " * 2**20, more=True)
    call.feed(b" ", more=True)
    start, answer = await call.finished()
    assert start["status"] == 413
    assert json.loads(answer["body"])["error"] == {
        "message": "The request body is larger than the 8388608 bytes of JSON that are taken; "
        "send several requests.",
        "type": "invalid_request_error",
        "param": None,
        "code": "payload_too_large",
    }


async def test_a_smaller_limit_of_the_server_holds_too() -> None:
    response = await ask(StubGateway(), {"input": "a" * 200}, upload_bytes=100)
    assert (response.status_code, response.json()["error"]["param"]) == (413, None)
    assert message(response) == "The request body is larger than the 100 bytes that this server takes."


async def test_a_body_in_many_pieces() -> None:
    call = AsgiCall(app_of(StubGateway()), CLASSIFY, headers=JSON).start()
    for byte in '{"input": "grüße 🙂"}'.encode():
        call.feed(bytes([byte]), more=True)
    call.feed(b"")
    start, answer = await call.finished()
    assert start["status"] == 200
    assert json.loads(answer["body"])["text"] == "grüße 🙂"


async def test_a_client_that_leaves_in_the_middle_of_the_body() -> None:
    gateway = StubGateway()
    call = AsgiCall(app_of(gateway), CLASSIFY, headers=JSON).start()
    call.feed(b'{"input": "a"', more=True)
    call.leave()
    assert await call.finished() == []
    assert not gateway.questions


@pytest.mark.parametrize("size", [10, LARGE_BYTES])
async def test_only_large_bodies_are_read_on_a_thread(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def watched(body: bytearray) -> dict[str, Any]:
        threads.append(threading.current_thread())
        return parse_object(body)

    monkeypatch.setattr("serve_app.http.bodies.json_body.parse_object", watched)
    assert (await ask(StubGateway(), {"input": "a" * size})).status_code == 200
    assert (threads == [threading.main_thread()]) is (size < LARGE_BYTES)


async def test_others_are_answered_while_a_large_body_is_read() -> None:
    """Half a million texts; the event loop goes on meanwhile."""
    body = b'{"input": [' + b'"a",' * 500_000 + b'" "]}'
    app = app_of(StubGateway())
    async with client_of(app) as client:
        large = asyncio.create_task(client.post(CLASSIFY, content=body, headers=JSON))
        answered = 0
        while not large.done():
            assert (await client.post(CLASSIFY, json={"input": "hate"})).status_code == 200
            answered += 1
    response = await large
    assert message(response) == "Text 500001 of `input` is blank; leave it out."
    assert answered > 5


async def test_unknown_keys_are_ignored_and_named() -> None:
    body = {"input": "a", "stream": True, "user": "u-1", "ü\ud800, x": None, "n" * 100: 1}
    response = await ask(StubGateway(), body)
    assert response.status_code == 200
    assert response.headers["x-ignored-fields"] == f"stream, user, %C3%BC%3F%2C%20x, {'n' * 64}"
    assert "x-ignored-fields" not in (await ask(StubGateway(), {"input": "a", "model": None})).headers
    many = await ask(StubGateway(), {"input": "a"} | {f"k{number}": 0 for number in range(100)})
    assert many.headers["x-ignored-fields"].count(",") == 31


@given(st.data())
async def test_a_damaged_body_is_never_our_fault(data: st.DataObject) -> None:
    damaged = bytearray(json.dumps({"input": ["a", "ü"], "model": "guard", "x": [1.5, None]}).encode())
    for _ in range(data.draw(st.integers(0, 4))):
        position = data.draw(st.integers(0, len(damaged) - 1))
        length = data.draw(st.integers(0, 8))
        damaged[position : position + length] = data.draw(st.binary(max_size=8))
    path = data.draw(st.sampled_from([CLASSIFY, MODERATIONS]))
    assert (await ask(StubGateway(), bytes(damaged), path)).status_code in (200, 400, 404)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_what_is_json_is_read_as_it_is(value: Any) -> None:
    assert parse_object(json.dumps({"x": value}).encode()) == {"x": value}


@given(st.binary(max_size=40))
def test_any_bytes(body: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        assert isinstance(parse_object(body), dict)


async def test_a_server_that_raises_what_it_is_told_about_a_client_that_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def receive() -> Message:
        raise RuntimeError("the request was cancelled")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    call = AsgiCall(app_of(StubGateway()), "/v1/classify", headers=JSON)
    with caplog.at_level("INFO", "ray.serve"):
        await app_of(StubGateway())(call.scope, receive, send)
    assert not sent
    assert "499" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP"])
@pytest.mark.parametrize("path", ["/v1/classify", "/v1/audio/transcriptions"])
async def test_compressed_bodies_are_refused(path: str, encoding: str) -> None:
    async with client_of(app_of(StubGateway())) as client:
        answer = await client.post(path, content=b"\x1f\x8b", headers={**JSON, "content-encoding": encoding})
    assert answer.status_code == 415
    assert "compressed" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"input": ' + b"[" * 499 + b"]" * 499 + b"}",
        b'{"input": "' + b"[{" * 9_000 + b'"}',
        b'{"input": "' + rb"\"[\\\"{" * 9_000 + b'"}',
        b'{"input": [' + b"[], {}," * 9_000 + b"1]}",
    ],
    ids=["499 in each other", "in a text", "between escaped quotes", "side by side"],
)
def test_only_brackets_in_each_other_are_depth(body: bytes) -> None:
    assert parse_json(body) == json.loads(body)
