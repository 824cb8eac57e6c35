"""Owns the ports of RunPod's load balancer from the first moment on, and passes connections through later."""

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Iterable

from serve_app.runpod_worker.loop_thread import LoopThread

logger = logging.getLogger("ray.serve")

CONNECTIONS = 1_000
HEAD_BYTES, HEAD_S = 64 * 1024, 10.0
CHUNK_BYTES = 256 * 1024
RETRY_S = 5
LINGER_S = 2.0
IDLE_S = 5.0  # without a byte after an answer has begun; a stream pauses for less
LOOK_S = 0.1


class StartupProxy:
    """Answers probes with 204 and everything else with 503, until ``open`` names the port that knows better.

    Then a connection is that port's business, whatever it carries: nothing is read or changed on the way.
    """

    def __init__(self, ports: Iterable[int], *, host: str, probe: str = "/ping") -> None:
        """Listens when it returns. Raises OSError."""
        self._host, self._probe = host, probe
        self._upstream: int | None = None
        self._background = LoopThread("front")
        self._servers: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[None], _Splice] = {}
        try:
            self.ports = [self._background.submit(self._listen(port)).result() for port in ports]
        except OSError:
            self._background.close()
            raise

    def open(self, port: int) -> None:
        """From now on connections are passed to a port of this machine's loopback."""
        self._upstream = port

    def close(self, grace_s: float) -> None:
        """Take no more connections, let answers end for some seconds at most, and leave."""
        self._background.submit(self._close(grace_s)).result(grace_s + LINGER_S)
        self._background.close()

    async def _listen(self, port: int) -> int:
        server = await asyncio.start_server(self._accept, self._host, port, limit=HEAD_BYTES)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _close(self, grace_s: float) -> None:
        for server in self._servers:
            server.close()
        end = time.monotonic() + grace_s
        while time.monotonic() < end:  # being idle is a matter of time, and no event
            if all(splice.idle for splice in self._connections.values()):
                return
            await asyncio.sleep(LOOK_S)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        splice = self._connections[task] = _Splice()
        upstream = self._upstream  # it may open while a head is read; what the answer says is of now
        try:
            if upstream is not None and len(self._connections) <= CONNECTIONS:
                await splice.run(reader, writer, upstream)
            else:
                await self._answer(reader, writer, starting=upstream is None)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client has gone, or is no HTTP client
        finally:
            del self._connections[task]
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, starting: bool) -> None:
        """One answer to one request, whose head alone is read."""
        async with asyncio.timeout(HEAD_S):
            head = await reader.readuntil(b"\r\n\r\n")
        _, _, rest = head.partition(b" ")
        target, _, _ = rest.partition(b" ")
        if starting and target.split(b"?")[0] == self._probe.encode():
            answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
        else:
            why = "The worker is starting." if starting else "The worker has too many connections."
            body = json.dumps({"error": {"message": f"{why} Try again later.", "code": "model_unavailable"}})
            answer = (
                f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nRetry-After: {RETRY_S}\r\nConnection: close\r\n\r\n{body}"
            ).encode()
        writer.write(answer)
        writer.write_eof()
        await writer.drain()
        with contextlib.suppress(TimeoutError):  # to close with unread bytes could cut the answer off
            async with asyncio.timeout(LINGER_S):
                while await reader.read(CHUNK_BYTES):
                    pass


class _Splice:
    """Both directions of one connection, until both have ended or one breaks."""

    def __init__(self) -> None:
        self._asked, self._last = True, time.monotonic()  # whether the last bytes came from the client, and when

    @property
    def idle(self) -> bool:
        """Whether nobody waits for anything, as far as one can tell without reading."""
        return not self._asked and time.monotonic() - self._last > IDLE_S

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port, limit=CHUNK_BYTES)
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._pump(reader, back, asks=True))
                directions.create_task(self._pump(there, writer, asks=False))
        except* OSError:
            pass
        finally:
            back.close()
            with contextlib.suppress(OSError):
                await back.wait_closed()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, asks: bool) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            self._asked, self._last = asks, time.monotonic()
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def ports(environment: dict[str, str] | os._Environ[str] = os.environ) -> list[int]:
    """``PORT``, and ``PORT_HEALTH`` if it is another one. Raises ValueError with a sentence."""
    numbers: list[int] = []
    for name, default in (("PORT", "80"), ("PORT_HEALTH", "")):
        text = environment.get(name, "").strip() or default
        if not text:
            continue
        if not text.isdecimal() or not 0 <= int(text) < 65_536:
            raise ValueError(f"{name} has to be a port, not {text[:20]!r}.")
        if int(text) not in numbers:
            numbers.append(int(text))
    return numbers
