"""One PUT over HTTP/1.1 that hears a refusal while the body is being sent, or before.

Stores refuse wrong keys as soon as they have seen the headers, and close the connection. A client that reads only
when all is sent would lose that answer to the reset connection. So a large body waits a moment for the server's
word (``Expect: 100-continue``), and the answer is awaited beside the sending.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

import h11
import httpcore
import httpx

from media.web import ssl_context

_ASKED_BYTES = 64 * 1024
"""Bodies from this size on are announced first."""
_ASKED_S = 1.0
_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class PutRequest:
    """Where bytes go. Host and length are added to ``headers``."""

    url: httpx.URL
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer. ``text`` is the beginning of its body."""

    status: int
    headers: httpx.Headers
    text: str

    @property
    def good(self) -> bool:
        """Whether the bytes were taken."""
        return 200 <= self.status < 300


async def put(
    request: PutRequest,
    chunks: AsyncGenerator[bytes],
    size: int,
    backend: httpcore.AsyncNetworkBackend,
    *,
    connect_timeout_s: float,
    silence_timeout_s: float,
) -> Answer:
    """Send ``size`` bytes on a connection of their own, and return the answer, good or bad.

    Raises httpcore's network and timeout errors, ``h11.ProtocolError``, and what the backend does for an address.
    """
    url = request.url
    host = url.raw_host.decode("ascii")
    port = url.port or (443 if url.scheme == "https" else 80)
    stream = await backend.connect_tcp(host, port, timeout=connect_timeout_s)
    try:
        if url.scheme == "https":
            stream = await stream.start_tls(ssl_context(), server_hostname=host, timeout=connect_timeout_s)
        headers = [
            (b"Host", url.netloc),
            (b"Content-Length", b"%d" % size),
            (b"Connection", b"close"),
            (b"User-Agent", b"antiphon"),
            *((name.encode("ascii"), value.encode("ascii")) for name, value in request.headers.items()),
        ]
        if size >= _ASKED_BYTES:
            headers.append((b"Expect", b"100-continue"))
        head = h11.Request(method="PUT", target=url.raw_path, headers=headers)
        return await _Exchange(stream, silence_timeout_s).run(head, chunks, asked=size >= _ASKED_BYTES)
    finally:
        await stream.aclose()


class _Exchange:
    def __init__(self, stream: httpcore.AsyncNetworkStream, silence_timeout_s: float) -> None:
        self._stream = stream
        self._silence_s = silence_timeout_s
        self._protocol = h11.Connection(h11.CLIENT)
        self._heard = asyncio.Event()  # 100 Continue, an answer, or the end of the connection

    async def run(self, head: h11.Request, chunks: AsyncGenerator[bytes], *, asked: bool) -> Answer:
        await self._send(head)
        answering = asyncio.create_task(self._answer())
        answering.add_done_callback(lambda _: self._heard.set())
        try:
            if asked:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._heard.wait(), _ASKED_S)
            with suppress(httpcore.WriteError):  # then the answer, or what became of it, says more
                await self._send_body(chunks, answering)
            try:
                return await asyncio.wait_for(answering, self._silence_s)
            except TimeoutError as error:
                raise httpcore.ReadTimeout("no answer") from error
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    async def _send_body(self, chunks: AsyncGenerator[bytes], answering: "asyncio.Task[Answer]") -> None:
        async with aclosing(chunks):
            async for chunk in chunks:
                if answering.done():
                    return
                await self._send(h11.Data(data=chunk))
        if not answering.done():
            await self._send(h11.EndOfMessage())

    async def _send(self, event: h11.Event) -> None:
        if data := self._protocol.send(event):
            await self._stream.write(data, timeout=self._silence_s)

    async def _answer(self) -> Answer:
        """Everything that the server says; only :meth:`run` limits how long that takes."""
        response: h11.Response | None = None
        body = bytearray()
        while True:
            event = self._protocol.next_event()
            if event is h11.NEED_DATA:
                self._protocol.receive_data(await self._stream.read(_ANSWER_BYTES))
            elif isinstance(event, h11.InformationalResponse):
                self._heard.set()
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                raise h11.RemoteProtocolError("the connection ended before the answer")
            if response is not None and (len(body) >= _ANSWER_BYTES or isinstance(event, h11.EndOfMessage)):
                text = body[:_ANSWER_BYTES].decode(errors="replace")
                return Answer(response.status_code, httpx.Headers(response.headers.raw_items()), text)
