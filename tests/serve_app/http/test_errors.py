"""Whatever goes wrong, the client gets the error shape of the OpenAI API, and the log gets the details."""

import logging
import pickle
from collections.abc import Iterator

import pytest

from deployments import errors
from deployments.errors import AntiphonError
from deployments.whisper.types import Started
from serve_app.http.errors import error_headers
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.stub import PATH, WAV, StubGateway, app_of, client_of, multipart, post

OVERLOADED = errors.Overloaded("The queue is full.", retry_after_s=2.1)


@pytest.fixture(autouse=True)
def _propagate() -> Iterator[None]:
    """Serve's logger keeps its records to itself once Serve has configured it."""
    logger = logging.getLogger("ray.serve")
    before, logger.propagate = logger.propagate, True
    yield
    logger.propagate = before


@pytest.mark.parametrize(
    ("error", "status", "kind", "code", "retry"),
    [
        (errors.InvalidRequest("x", param="language"), 400, "invalid_request_error", "invalid_request", "false"),
        (errors.UndecodableAudio("x"), 400, "invalid_request_error", "invalid_audio", "false"),
        (errors.ForbiddenUrl("x"), 400, "invalid_request_error", "forbidden_url", "false"),
        (errors.FetchFailed("x"), 400, "invalid_request_error", "fetch_failed", "false"),
        (errors.ModelNotFound("x"), 404, "invalid_request_error", "model_not_found", "false"),
        (errors.AudioTooLong("x"), 413, "invalid_request_error", "audio_too_long", "false"),
        (OVERLOADED, 429, "rate_limit_error", "overloaded", "true"),
        (errors.InternalError("x"), 500, "server_error", "internal_error", None),
        (errors.ModelUnavailable("x"), 503, "service_unavailable_error", "model_unavailable", "true"),
        (errors.DeadlineExceeded("x"), 504, "timeout_error", "deadline_exceeded", "false"),
    ],
)
@pytest.mark.parametrize("stream", ["false", "true"])
@pytest.mark.parametrize("began", [False, True])
async def test_the_exception_tree(
    error: AntiphonError, status: int, kind: str, code: str, retry: str | None, stream: str, began: bool
) -> None:
    gateway = StubGateway((Started("en", 1.0, None), error) if began else (error,))
    response = await post(gateway, {"stream": stream})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "error": {"message": error.message, "type": kind, "param": error.param, "code": code}
    }
    assert response.headers.get("x-should-retry") == retry
    assert ("retry-after" in response.headers) is (status in (429, 503))
    assert gateway.closed == 1


@pytest.mark.parametrize(
    ("wait", "header"),
    [(0.0, "1"), (0.2, "1"), (1.0, "1"), (2.1, "3"), (float("inf"), "60"), (float("nan"), "60")],
)
def test_retry_after_is_whole_seconds(wait: float, header: str) -> None:
    assert error_headers(errors.Overloaded("x", retry_after_s=wait))["Retry-After"] == header


def test_errors_still_pickle() -> None:
    copy = pickle.loads(pickle.dumps(OVERLOADED))
    assert error_headers(copy) == error_headers(OVERLOADED)


async def test_a_bug_is_logged_with_its_traceback_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    async with client_of(app_of(StubGateway((ZeroDivisionError("secret path"),)))) as client:
        response = await client.post(PATH, files={"file": WAV}, headers={"x-request-id": "r-77"})
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert "secret" not in response.text
    assert "r-77" in response.json()["error"]["message"]
    assert response.headers["x-request-id"] == "r-77"
    (record,) = [r for r in caplog.records if r.exc_info]
    assert record.__dict__["request_id"] == "r-77"
    assert "ZeroDivisionError" in caplog.text


async def test_unknown_paths_and_methods() -> None:
    async with client_of(app_of(StubGateway())) as client:
        missing = await client.get("/v1/engines")
        wrong = await client.get(PATH)
        others = [await client.post(path) for path in ("/nothing", "/asr", "/detect-language", "/inference")]
    assert {missing.status_code, *(other.status_code for other in others)} == {404}
    assert missing.json()["error"]["code"] == "not_found"
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "POST"
    assert wrong.json()["error"] == {
        "message": "/v1/audio/transcriptions does not take GET; it takes POST.",
        "type": "invalid_request_error",
        "param": None,
        "code": "method_not_allowed",
    }


async def test_an_unknown_model() -> None:
    response = await post(StubGateway(), {"model": "gpt-9"})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")
    assert response.json()["error"]["param"] == "model"
    assert "sample-asr" in response.json()["error"]["message"]


async def test_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ray.serve")
    async with client_of(app_of(StubGateway())) as client:
        await client.get("/v1/models", headers={"x-request-id": "r-1"})
        await client.get("/healthz")
        await client.get("/v1/%0aFAKE%1b[31m", headers={"x-request-id": "r-2"})
    lines = [r for r in caplog.records if r.name == "ray.serve"]
    assert [(r.__dict__["request_id"], r.__dict__["status"]) for r in lines] == [("r-1", 200), ("r-2", 404)]
    assert lines[0].getMessage().startswith("GET /v1/models 200 ")
    assert "serve_access_log" not in lines[0].__dict__  # Serve drops such lines when its own are off
    assert all(r.getMessage().isprintable() for r in lines)


async def test_a_failure_after_the_response_began_ends_the_connection() -> None:
    """A body that cannot be finished must not look finished."""
    app = app_of(StubGateway())
    headers, body = multipart({"response_format": "text"})
    call = AsgiCall(app, headers=headers)

    async def broken(message: object) -> None:
        if isinstance(message, dict) and message["type"] == "http.response.body":
            raise OverflowError("broken")

    call._outgoing.put = broken
    call.start().feed(body)
    with pytest.raises(OverflowError):
        await call.finished()
