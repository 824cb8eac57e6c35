"""What Serve's HTTP proxies say by themselves, in the words of the API that was called.

A proxy answers when no replica does: while applications come and go, and when a replica dies with a request. Its
own words are plain text, which no client of the API reads, or none at all.
"""

import os
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.errors import AntiphonError, ClientError, DeadlineExceeded, ServerUnavailable
from serve_app.http.error_shapes import response_at
from serve_app.http.middleware.read_on import ReadOn
from serve_app.slashes import without_surplus

ROUTE_PREFIXES = "ANTIPHON_ROUTE_PREFIXES"  # of the applications, with commas between
READ_ON_BYTES = 1024**3  # nothing of them is kept
SERVES_OWN = "/-/"
NOT_FOUND, TIMED_OUT, TOO_MANY, LOST, UNAVAILABLE = 404, 408, 429, 500, 503


class NoApplication(ClientError):
    """The path is below no application."""

    status = 404
    code = "not_found"


def middleware() -> list[Middleware]:
    """Called by Serve in the process of every proxy; ``serve_app.launch.environment`` names it.

    Requests that are answered early are read on here, where nothing has to be sent to a replica for that.
    """
    prefixes = os.environ.get(ROUTE_PREFIXES, "/").split(",")
    return [Middleware(ProxyAnswers, prefixes=prefixes), Middleware(ReadOn, most_bytes=READ_ON_BYTES)]


class ProxyAnswers:
    """Middleware around Serve's proxy: its errors in plain text, and requests that it leaves without an answer,
    become errors of the API. Whoever is told to try again is also told when.

    ``prefixes`` are those of the applications: below them nothing is missing for good.
    """

    def __init__(self, app: ASGIApp, prefixes: Iterable[str]) -> None:
        self._app = app
        self._prefixes = sorted((prefix.rstrip("/") for prefix in prefixes), key=len, reverse=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        root: str = scope.get("root_path", "")
        path: str = scope.get("path", "").removeprefix(root)
        if scope["type"] != "http" or path.startswith(SERVES_OWN):
            await self._app(scope, receive, send)
            return
        status, answered = LOST, False

        async def send_the_replicas(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], not _is_the_proxys(message)
            if answered:
                await send(message)

        await self._app(scope, receive, send_the_replicas)
        if not answered:
            await self._response(scope, path, status)(scope, receive, send)

    def _response(self, scope: Scope, path: str, status: int) -> Response:
        below = next((one for one in self._prefixes if f"{path}/".startswith(f"{one}/")), None)
        shaped_as = {**scope, "root_path": "", "path": without_surplus(path.removeprefix(below or ""))}
        response = response_at(shaped_as, _error(status, path, known=below is not None))
        response.headers["x-request-id"] = Headers(scope=scope).get("x-request-id", "")
        response.headers["connection"] = "close"  # who comes back is to find another process
        return response


def _is_the_proxys(start: Message) -> bool:
    """Whether an answer comes from the proxy: the application has no such errors in plain text."""
    kind = Headers(raw=list(start.get("headers", ()))).get("content-type", "")
    statuses = (NOT_FOUND, TIMED_OUT, TOO_MANY, LOST, UNAVAILABLE)
    return start["status"] in statuses and kind.startswith("text/plain")


def _error(status: int, path: str, *, known: bool) -> AntiphonError:
    if status == NOT_FOUND and not known:
        return NoApplication(f"There is nothing at {path[:200]}: no application is served there.")
    if status == TIMED_OUT:
        return DeadlineExceeded("The request took longer than Serve's `request_timeout_s` allows.")
    if status == LOST:
        return ServerUnavailable("The process that had this request ended before it answered; try again.")
    return ServerUnavailable("The server is starting or stopping, or has too many requests; try again.")
