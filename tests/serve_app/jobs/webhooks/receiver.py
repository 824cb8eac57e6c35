"""A receiver of webhooks that answers as it is told, and remembers what came."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answer = Callable[[int], Awaitable[web.StreamResponse]]
"""``await answer(n)`` is what a path answers to the n-th call of it, from 1."""


@dataclass(frozen=True)
class Call:
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def payload(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    url: str
    calls: list[Call] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    together: Counter[str] = field(default_factory=Counter)
    """The most calls at once, by webhook-id and by path."""
    _now: Counter[str] = field(default_factory=Counter)

    def statuses(self, path: str, *statuses: int, **headers: str) -> None:
        """Answer with these in turn; the last one for ever."""

        async def answer(number: int) -> web.StreamResponse:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.Response(status=statuses[min(number, len(statuses)) - 1], headers=named)

        self.answers[path] = answer

    def payloads(self, path: str) -> list[Any]:
        return [call.payload for call in self.calls if call.path == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        call = Call(request.path, dict(request.headers), await request.read())
        self.calls.append(call)
        keys = (call.id, call.path)
        for key in keys:
            self._now[key] += 1
            self.together[key] = max(self.together[key], self._now[key])
        try:
            number = sum(other.path == call.path for other in self.calls)
            return await self.answers[call.path](number) if call.path in self.answers else web.Response()
        finally:
            for key in keys:
                self._now[key] -= 1


@asynccontextmanager
async def receiving(host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    application = web.Application()
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    receiver = Receiver("")
    application.router.add_route("*", "/{path:.*}", receiver.handle)
    await runner.setup()
    site = web.TCPSite(runner, host, 0)
    await site.start()
    receiver.url = f"http://{host}:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)
