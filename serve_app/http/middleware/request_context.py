"""What surrounds every request: its id, its line in the log, the last resort for errors."""

import logging
import time
from urllib.parse import quote

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.failures import error_for_client
from serve_app.http.error_shapes import response_at
from serve_app.http.request_id import HEADER, assign_request_id

logger = logging.getLogger("ray.serve")

CLIENT_CLOSED_REQUEST = 499  # nginx's number for a client that left; only the log sees it
NO_CLOSING_CODE = 1006  # WebSocket's number for the same
QUIET_PATHS = frozenset({"/healthz", "/ping", "/readyz"})
LONGEST_LOGGED_PATH = 200


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
