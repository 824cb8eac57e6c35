"""What surrounds every request: its id, its line in the log, the last resort for errors, its key, the body's size.

Plain ASGI: Starlette's own base class for middleware breaks streams and their cancellation.
"""

import logging
import time
from urllib.parse import quote

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.errors import AuthenticationFailed, PayloadTooLarge
from serve_app.failures import error_for_client
from serve_app.http.error_shapes import response_at
from serve_app.http.jobs.credentials import check_job_key
from serve_app.http.paths import is_job_path, path_of
from serve_app.http.request_id import HEADER, assign_request_id
from serve_app.keys import ApiKeys

logger = logging.getLogger("ray.serve")

CLIENT_CLOSED_REQUEST = 499  # nginx's number for a client that left; only the log sees it
NO_CLOSING_CODE = 1006  # WebSocket's number for the same
QUIET_PATHS = frozenset({"/healthz", "/ping", "/readyz"})
LONGEST_LOGGED_PATH = 200
DENIAL = "websocket.http.response"  # the server can answer a WebSocket's handshake with a response
# Probes carry no keys, and the pages about the API are the same on every server.
OPEN_PATHS = frozenset({"/", "/docs", "/healthz", "/openapi.json", "/ping", "/readyz"})


class RequestContext:
    """Gives every request an id, logs it, and answers with a 500 what nothing else caught.

    ``echo`` puts the id into the response; a server that does so itself needs it off.
    """

    def __init__(self, app: ASGIApp, echo: bool = True) -> None:
        self._app, self._echo = app, echo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "websocket":
            await self._converse(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = assign_request_id(scope)
        began = time.perf_counter()
        status = CLIENT_CLOSED_REQUEST
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                if self._echo:
                    headers = [*message.get("headers", ()), (HEADER, request_id.encode())]
                    message = {**message, "headers": headers}
            await send(message)

        async def receive_or_leave() -> Message:
            try:
                return await receive()
            except Exception as error:  # Serve raises what it hears about a client that has left
                raise ClientDisconnect from error

        try:
            await self._app(scope, receive_or_leave, send_with_id)
        except ClientDisconnect:
            status = CLIENT_CLOSED_REQUEST
        except Exception as error:
            failure = error_for_client(error, request_id)
            if started:
                raise
            await response_at(scope, failure)(scope, receive, send_with_id)
        finally:
            _log(scope, status, time.perf_counter() - began, request_id)

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket; in the log its closing code is the status."""
        request_id = assign_request_id(scope)
        began = time.perf_counter()
        status = NO_CLOSING_CODE

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "websocket.close":
                status = message.get("code", 1000)
            elif message["type"] == "websocket.http.response.start":
                status = message["status"]
            await send(message)

        async def receive_or_leave() -> Message:
            try:
                return await receive()
            except Exception:
                return {"type": "websocket.disconnect", "code": NO_CLOSING_CODE}

        try:
            await self._app(scope, receive_or_leave, send_and_note)
        finally:
            _log(scope, status, time.perf_counter() - began, request_id)


class KeyCheck:
    """Middleware that turns requests without a valid key away before their bodies are read.

    In the job API the key may be in other places, too, and last of all in the body.
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] in ("http", "websocket") and path_of(scope) not in OPEN_PATHS:
            try:
                receive = await self._check(scope, receive)
            except AuthenticationFailed as error:
                if scope["type"] == "websocket" and DENIAL not in scope.get("extensions", {}):
                    await send({"type": "websocket.close", "code": 1008, "reason": error.message})
                else:
                    await response_at(scope, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _check(self, scope: Scope, receive: Receive) -> Receive:
        if is_job_path(scope):
            return await check_job_key(scope, receive, self._keys)
        self._keys.check(next((v for k, v in scope["headers"] if k == b"authorization"), None))
        return receive


class BodyLimit:
    """Refuses a request body larger than ``limit`` bytes: by its declared length, else while it comes in."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if declared.isdigit() and int(declared[:20]) > self._limit:
            await response_at(scope, self._refusal(scope))(scope, receive, send)
            return
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise self._refusal(scope)
            return message

        await self._app(scope, receive_limited, send)

    def _refusal(self, scope: Scope) -> PayloadTooLarge:
        message = f"The request body is larger than the {self._limit} bytes that this server takes."
        kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        if not kind.lower().startswith(b"multipart/"):
            return PayloadTooLarge(message)
        return PayloadTooLarge(f"{message} Send compressed audio, or a `url` to fetch it from.", param="file")


def _log(scope: Scope, status: int, seconds: float, request_id: str) -> None:
    path = quote(scope["path"], safe="/:@%")[:LONGEST_LOGGED_PATH]
    level = logging.DEBUG if path in QUIET_PATHS else logging.INFO
    method = "WEBSOCKET" if scope["type"] == "websocket" else scope["method"]
    logger.log(
        level,
        "%s %s %d %.1f ms",
        method,
        path,
        status,
        seconds * 1000,
        extra={
            "request_id": request_id,
            "method": method,
            "path": path,
            "status": status,
            "latency_ms": round(seconds * 1000, 1),
        },
    )
