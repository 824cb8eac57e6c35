"""A request to an ASGI application in this process, whose answer is read as it comes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message

from deployments.errors import InternalError
from serve_app.concurrency import cancel

MESSAGES_AHEAD = 8  # parts of an answer that wait to be read, before the application has to wait
GRACE_S = 5.0  # in which the application may end by itself after its client has left


@dataclass(frozen=True, slots=True)
class InProcessRequest:
    """A request as it would be on the wire. ``target`` is the path with its query, percent-encoded."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def scope(self) -> dict[str, Any]:
        """The ASGI scope."""
        path, _, query = self.target.partition("?")
        headers = (("host", "localhost"), ("content-length", str(len(self.body))), *self.headers)
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": unquote(path, errors="replace"),
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "root_path": "",
            "headers": [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers],
            "client": None,
            "server": ("localhost", 80),
        }


@dataclass(frozen=True, slots=True)
class InProcessAnswer:
    """The beginning of an answer; ``parts`` are the parts of its body, once."""

    status: int
    headers: Headers
    parts: AsyncGenerator[bytes]

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([part async for part in self.parts])


@asynccontextmanager
async def answer_to(request: InProcessRequest, app: ASGIApp) -> AsyncIterator[InProcessAnswer]:
    """The application's answer. Leaving the block is leaving as a client does: the work on it stops.

    Raises InternalError if the application ends without an answer, or whatever it raises.
    """
    outgoing: asyncio.Queue[Message] = asyncio.Queue(MESSAGES_AHEAD)
    left = asyncio.Event()
    body: list[Message] = [{"type": "http.request", "body": request.body, "more_body": False}]

    async def receive() -> Message:
        if body:
            return body.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def run() -> None:
        await app(request.scope(), receive, outgoing.put)

    task = asyncio.create_task(run())
    try:
        first = await _next(outgoing, task)
        headers = Headers(raw=list(first.get("headers", ())))
        parts = _parts(outgoing, task)
        try:
            yield InProcessAnswer(first["status"], headers, parts)
        finally:
            await parts.aclose()
    finally:
        left.set()
        try:
            await asyncio.wait({task}, timeout=GRACE_S)
        finally:
            await cancel(task)


async def _parts(outgoing: "asyncio.Queue[Message]", task: "asyncio.Task[None]") -> AsyncGenerator[bytes]:
    more = True
    while more:
        message = await _next(outgoing, task)
        more = message.get("more_body", False)
        if part := message.get("body", b""):
            yield part


async def _next(outgoing: "asyncio.Queue[Message]", task: "asyncio.Task[None]") -> Message:
    """What the application sends next. If it has ended, what it raised."""
    upcoming = asyncio.ensure_future(outgoing.get())
    try:
        await asyncio.wait({upcoming, task}, return_when=asyncio.FIRST_COMPLETED)
        if upcoming.done() or not outgoing.empty():
            return await upcoming
    finally:
        await cancel(upcoming)
    task.result()
    raise InternalError("The application ended without an answer.")
