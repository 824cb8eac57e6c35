"""One request by hand."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message

from tests.serve_app.http.stub import PATH


class AsgiCall:
    """One request by hand, for what ordinary clients cannot do: to leave, or to see each message at once."""

    def __init__(
        self,
        app: ASGIApp,
        path: str = PATH,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        **scope: Any,
    ) -> None:
        self._app = app
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in (headers or {}).items()],
            "client": ("198.51.100.7", 4321),
            "server": ("test", 80),
            **scope,
        }
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None

    def start(self) -> "AsgiCall":
        async def run() -> None:
            await self._app(self.scope, self._incoming.get, self._outgoing.put)

        self.task = asyncio.create_task(run())
        return self

    def feed(self, body: bytes, *, more: bool = False) -> None:
        self._incoming.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def leave(self) -> None:
        self.deliver({"type": "http.disconnect"})

    def deliver(self, message: Message) -> None:
        self._incoming.put_nowait(message)

    @property
    def unread(self) -> int:
        """How many messages the application has not taken yet."""
        return self._incoming.qsize()

    async def sent(self) -> Message:
        """The next message of the application."""
        return await asyncio.wait_for(self._outgoing.get(), 5)

    async def finished(self) -> list[Message]:
        """Wait for the application to return; the messages nobody has taken."""
        assert self.task is not None
        await asyncio.wait_for(self.task, 5)
        return [self._outgoing.get_nowait() for _ in range(self._outgoing.qsize())]
