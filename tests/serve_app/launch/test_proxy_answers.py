"""What clients read when Serve's proxy answers by itself."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serve_app.launch import environment
from serve_app.launch.proxy_answers import ROUTE_PREFIXES, ProxyAnswers, middleware
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.stub import client_of

PLAIN_404 = PlainTextResponse("Path '/' not found. Ping http://.../-/routes for available routes.", 404)
PLAIN_503 = PlainTextResponse("Deployment(name='ingress') is unavailable because it failed to deploy.", 503)


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """A proxy whose replica has died."""


def with_request_id(app: ASGIApp) -> ASGIApp:
    """As Serve does it: in the request, too."""

    async def identified(scope: Scope, receive: Receive, send: Send) -> None:
        headers = MutableHeaders(scope=scope)
        headers.append("x-request-id", "the-id")
        await app(scope, receive, send)

    return identified


async def answer_of(app: ASGIApp, path: str = "/v1/models", *prefixes: str, method: str = "GET") -> httpx.Response:
    async with client_of(ProxyAnswers(with_request_id(app), prefixes or ("/",))) as client:
        return await client.request(method, f"http://test{path}")


@pytest.mark.parametrize(
    ("app", "status", "code", "said"),
    [
        (PLAIN_404, 503, "server_unavailable", "is starting or stopping"),
        (PLAIN_503, 503, "server_unavailable", "is starting or stopping"),
        (PlainTextResponse("Dropped", 429), 503, "server_unavailable", "has too many requests"),
        (silent, 503, "server_unavailable", "ended before it answered"),
        (PlainTextResponse("Internal Server Error", 500), 503, "server_unavailable", "ended before it answered"),
        (PlainTextResponse("Request x timed out after 3s.", 408), 504, "deadline_exceeded", "took longer"),
    ],
)
async def test_the_proxys_own_words(app: ASGIApp, status: int, code: str, said: str) -> None:
    answer = await answer_of(app)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert said in error["message"]
    assert answer.headers["x-request-id"] == "the-id"
    assert answer.headers["connection"] == "close"
    assert answer.headers.get("retry-after") == ("5" if status == 503 else None)
    assert answer.headers["x-should-retry"] == str(status == 503).lower()


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/v1/tts", {"statusCode", "message", "error"}),
        ("/wallet/self/package", {"status", "message"}),
        ("/v2/classify/run", {"error"}),
        ("/voice//v1/tts/", {"statusCode", "message", "error"}),
    ],
)
async def test_every_family_reads_its_own_shape(path: str, keys: set[str]) -> None:
    answer = await answer_of(PLAIN_404, path, "/", "/voice", method="POST")
    assert (answer.status_code, answer.json().keys()) == (503, keys)


async def test_what_is_below_no_application_is_not_there() -> None:
    for path, status in (("/v1/models", 404), ("/voices", 404), ("/voice", 503), ("/voice/v1/models", 503)):
        answer: Any = await answer_of(PLAIN_404, path, "/voice")
        assert answer.status_code == status
    assert "no application" not in answer.text


@pytest.mark.parametrize(
    "app",
    [
        PlainTextResponse("a transcript"),
        PlainTextResponse("Disallowed CORS origin", 400),
        JSONResponse({"error": {}}, 404),
        JSONResponse({"error": {}}, 503),
        JSONResponse({"error": {}}, 500),
    ],
)
async def test_answers_of_replicas_pass(app: Any) -> None:
    answer = await answer_of(app)
    assert (answer.status_code, answer.content) == (app.status_code, app.body)
    assert "connection" not in answer.headers


@pytest.mark.parametrize("path", ["/-/healthz", "/-/routes"])
async def test_serves_own_pages_are_its_own(path: str) -> None:
    assert (await answer_of(PLAIN_503, path)).text.startswith("Deployment")


async def test_websockets_pass() -> None:
    async def close(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close", "code": 1012})

    call = AsgiCall(ProxyAnswers(close, ["/"]), "/v1/tts/live", type="websocket").start()
    assert await call.finished() == [{"type": "websocket.close", "code": 1012}]


async def test_a_body_on_its_way_is_read_on() -> None:
    app: ASGIApp = PLAIN_404
    for one in middleware():
        app = one.cls(app, **one.kwargs)
    call = AsgiCall(app, headers={"content-length": "100"}).start()
    assert (await call.sent())["status"] == 503
    assert (await call.sent())["more_body"]
    await asyncio.sleep(0)
    call.feed(bytes(100))
    assert not (await call.finished())[-1]["more_body"]


def test_serve_is_told_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.serve._private.utils import call_function_from_import_path

    path = environment.DEFAULTS["RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"]
    monkeypatch.setenv(ROUTE_PREFIXES, "/a,/b")
    found, _ = call_function_from_import_path(path)
    assert (found.cls, found.kwargs) == (ProxyAnswers, {"prefixes": ["/a", "/b"]})
    monkeypatch.delenv(ROUTE_PREFIXES)
    assert middleware()[0].kwargs == {"prefixes": ["/"]}
