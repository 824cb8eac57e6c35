"""Answers that come before the request was read, and clients that write everything before they read."""

import asyncio
import http.client
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from starlette.types import Message, Receive, Scope, Send

from serve_app.config.app import HttpConfig
from serve_app.http.app import create_app
from serve_app.http.middleware.read_on import ReadOn
from serve_app.keys import ApiKeys
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.server import serving
from tests.serve_app.http.stub import PATH, StubGateway

MIB = 1024**2
FORM = {"content-type": "multipart/form-data; boundary=XX", "authorization": "Bearer the-key"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    config = HttpConfig(upload_bytes=30 * MIB)
    with serving(create_app(StubGateway(), config, ApiKeys(["the-key"]))) as url:
        yield url


def post(url: str, size: int, **headers: str) -> int:
    """The status that Python's urllib sees, which closes its connections and reads when it has written all."""
    body = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + bytes(size)
    sent = urllib.request.Request(url, body + b"\r\n--XX--\r\n", {**FORM, **headers})
    try:
        with urllib.request.urlopen(sent, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code if error.read() else 0


@pytest.mark.parametrize("size", [100_000, 20_000_000])
@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/nothing", {}, 404),
        ("/v1/models", {}, 405),
        (PATH, {"content-encoding": "gzip"}, 415),
        (PATH, {"content-type": "application/json"}, 415),
        (PATH, {"authorization": "Bearer other"}, 401),
        ("/v2/classify/run", {}, 404),
    ],
)
def test_every_client_sees_the_refusal(
    url: str, path: str, headers: dict[str, str], status: int, size: int
) -> None:
    assert post(url + path, size, **headers) == status


def test_a_body_above_the_limit(url: str) -> None:
    assert post(url + PATH, 40 * MIB) == 413


def test_a_kept_connection_goes_on(url: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    for _ in range(2):
        connection.request("POST", "/v1/nothing", bytes(5 * MIB), FORM)
        answer = connection.getresponse()
        assert answer.status == 404
        answer.read()
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()


def test_the_answer_is_there_at_once(url: str) -> None:
    """Who reads while writing need not send the rest."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(
            b"POST /v1/nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n"
            b"Authorization: Bearer the-key\r\n\r\n"
        )
        began = time.monotonic()
        assert client.recv(65_536).startswith(b"HTTP/1.1 404")
        assert time.monotonic() - began < 4


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"no"})


BEGUN = {"content-length": "100"}
END: Message = {"type": "http.response.body", "body": b"", "more_body": False}


async def test_reading_on_ends_with_the_body() -> None:
    call = AsgiCall(ReadOn(refuse, 1_000), headers=BEGUN).start()
    assert (await call.sent())["status"] == 413
    assert await call.sent() == {"type": "http.response.body", "body": b"no", "more_body": True}
    call.feed(bytes(50), more=True)
    call.feed(bytes(50))
    assert await call.finished() == [END]


@pytest.mark.parametrize("way", ["size", "silence", "time", "left"])
async def test_reading_on_is_bounded(way: str) -> None:
    limits = {"silence": (0.05, 9), "time": (9, 0.05)}.get(way, (9, 9))
    call = AsgiCall(ReadOn(refuse, 1_000, idle_s=limits[0], most_s=limits[1]), headers=BEGUN).start()
    for _ in range(2):
        await call.sent()
    if way == "size":
        for _ in range(9):
            call.feed(bytes(300), more=True)
    elif way == "left":
        call.leave()
    assert await call.finished() == [END]
    assert call.unread == (5 if way == "size" else 0)


async def test_only_the_outermost_reads_on() -> None:
    call = AsgiCall(ReadOn(ReadOn(refuse, 1, idle_s=0.01), 1_000), headers=BEGUN).start()
    for _ in range(2):
        await call.sent()
    await asyncio.sleep(0.05)
    call.feed(bytes(100))
    assert await call.finished() == [END]
    assert not call.unread


@pytest.mark.parametrize("headers", [{}, {"content-length": "0"}])
async def test_nothing_is_waited_for_without_a_body(headers: dict[str, str]) -> None:
    call = AsgiCall(ReadOn(refuse, 1_000), headers=headers).start()
    _, body = await call.finished()
    assert body == {"type": "http.response.body", "body": b"no"}


async def test_a_body_that_was_read_is_not_waited_for() -> None:
    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await refuse(scope, receive, send)

    call = AsgiCall(ReadOn(read, 1_000), headers={"transfer-encoding": "chunked"}).start()
    call.feed(b"a", more=True)
    call.feed(b"")
    assert len(await call.finished()) == 2
