"""A stream of server-sent events. It begins late; an error is its last event."""

import asyncio
import json
from abc import abstractmethod
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from deployments.errors import AntiphonError, ModelUnavailable
from serve_app.concurrency import cancel
from serve_app.failures import error_for_client
from serve_app.http.request_id import request_id_of
from serve_app.http.responses.disconnect import while_connected
from serve_app.http.responses.late import LateResponse

PING_S = 15.0
PING = b": ping\n\n"
_END: Any = object()


class MessageStream(LateResponse):
    """Sends every message as ``data: {json}`` when it comes, then what the API ends its streams with.

    The response begins with the first message. Until then an error is raised, so that it becomes an ordinary
    response with its own status; after it, an error is the stream's last event. After ``ping_s`` seconds
    without a message a comment is sent, which also begins the response: proxies give up on silence.
    A client that leaves closes ``messages``.
    """

    media_type = "text/event-stream"
    last_words = b""

    def __init__(
        self,
        messages: AsyncGenerator[Mapping[str, Any], None],
        headers: Mapping[str, str] | None = None,
        ping_s: float = PING_S,
    ) -> None:
        super().__init__(headers or {})
        self._messages = messages
        self._ping_s = ping_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. Raises what the messages raise before the first of them."""
        await while_connected(receive, self._run(send, request_id_of(scope)))

    async def _run(self, send: Send, request_id: str) -> None:
        try:
            await self._relay(send)
            await self._write(send, self.last_words)
        except ClientDisconnect:
            raise
        except Exception as error:
            if not self._begun:
                raise
            await self._write(send, _data(self._error(error_for_client(error, request_id))))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    @abstractmethod
    def _error(self, error: AntiphonError) -> Mapping[str, Any]:
        """The last event of a stream that failed."""

    async def _relay(self, send: Send) -> None:
        upcoming: asyncio.Future[Mapping[str, Any]] | None = None
        try:
            while True:
                upcoming = upcoming or asyncio.ensure_future(anext(self._messages, _END))
                await asyncio.wait({upcoming}, timeout=self._ping_s)
                if not upcoming.done():
                    await self._write(send, PING)
                    continue
                if upcoming.cancelled():
                    raise ModelUnavailable("The work on this request was stopped. Try again.")
                message, upcoming = upcoming.result(), None
                if message is _END:
                    return
                await self._write(send, _data(message))
        finally:
            if upcoming is not None:
                await cancel(upcoming)
            await self._messages.aclose()


def _data(message: Mapping[str, Any]) -> bytes:
    # ASCII only: a line separator of Unicode inside a text must not end the line for any reader.
    return f"data: {json.dumps(message, allow_nan=False, separators=(',', ':'))}\n\n".encode()
