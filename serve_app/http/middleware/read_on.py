"""Answers that come before the whole request was read."""

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

READS_ON = "antiphon.reads_on"  # an extension of the scope: somebody further out does it
IDLE_S = 5.0
MOST_S = 30.0


class RequestBody:
    """The body of a request on its way in. ``unread`` while more of it may come; ``received`` counts its bytes."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = {name for name, value in scope.get("headers", ()) if value != b"0"}
        self.unread = scope["type"] == "http" and not headers.isdisjoint({b"content-length", b"transfer-encoding"})
        self.received = 0
        self._receive = receive

    async def receive(self) -> Message:
        """The next message of the connection."""
        try:
            message = await self._receive()
        except Exception:  # Serve raises what it hears about a client that has left
            self.unread = False
            raise
        self.received += len(message.get("body", b""))
        self.unread = self.unread and message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def discard(self, most_bytes: int, *, idle_s: float = IDLE_S, most_s: float = MOST_S) -> None:
        """Read and throw away what comes, up to so many bytes of the whole body, for so many seconds in all and
        without a message.
        """
        with contextlib.suppress(Exception):
            async with asyncio.timeout(most_s):
                while self.unread and self.received <= most_bytes:
                    async with asyncio.timeout(idle_s):
                        await self.receive()


class ReadOn:
    """Middleware that lets every client see an answer that comes before the request was read.

    Many clients read nothing before they have written everything, and a server that closes the connection before
    is to them a broken one. So the answer is sent, and its end is held back until the request has been read and
    thrown away: ``most_bytes`` of it, for a bounded time. If several of these surround an application, even one in
    a proxy before it, the outermost does it.
    """

    def __init__(self, app: ASGIApp, most_bytes: int, *, idle_s: float = IDLE_S, most_s: float = MOST_S) -> None:
        self._app, self._most_bytes = app, most_bytes
        self._idle_s, self._most_s = idle_s, most_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        extensions = scope.get("extensions") or {}
        body = RequestBody(scope, receive)
        if not body.unread or READS_ON in extensions:
            await self._app(scope, receive, send)
            return
        scope = {**scope, "extensions": {**extensions, READS_ON: {}}}
        withheld = False

        async def send_all_but_the_end(message: Message) -> None:
            nonlocal withheld
            if message["type"] == "http.response.body" and not message.get("more_body", False) and body.unread:
                withheld, message = True, {**message, "more_body": True}
            await send(message)

        await self._app(scope, body.receive, send_all_but_the_end)
        if withheld:
            await body.discard(self._most_bytes, idle_s=self._idle_s, most_s=self._most_s)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
