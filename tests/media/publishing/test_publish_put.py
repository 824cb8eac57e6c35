"""A single PUT, and servers that answer early, late or never, over bare sockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import h11
import httpcore
import httpx
import pytest

from media.errors import ClientError
from media.network import PinnedBackend, parse_networks
from media.publishing import put as put_module
from media.publishing.publish import Publisher
from media.publishing.put import Answer, PutRequest, put
from media.publishing.upload import PublishPolicy, measure
from tests.media.test_fetch import certificate, resolver

__all__ = ["certificate"]

BODY = bytes(range(256)) * 30_000
POLICY = PublishPolicy(backoff_s=0.01, timeout_s=30, allowed_networks=("127.0.0.0/8",))
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handle: Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server; ``handle`` gets each connection after the request's head was read."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            await reader.readuntil(b"\r\n\r\n")
            await handle(reader, writer)
            await writer.drain()
        writer.close()
        with suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
            await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def send(port: int, body: bytes = BODY, silence_s: float = 5) -> Answer:
    content = measure(body, "audio/wav", 2**30)
    request = PutRequest(httpx.URL(f"http://127.0.0.1:{port}/x"), {})
    backend = PinnedBackend(parse_networks(POLICY.allowed_networks))
    return await put(
        request, content.chunks(), len(body), backend, connect_timeout_s=5, silence_timeout_s=silence_s
    )


def reply(status: str, text: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads hardly wait for servers that do not answer announcements."""
    monkeypatch.setattr(put_module, "_ASKED_S", 0.01)


async def test_a_refusal_is_heard_before_the_body_is_sent() -> None:
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply("403 Forbidden", "<Error><Code>InvalidAccessKeyId</Code></Error>"))
        await writer.drain()
        received.set_result(await reader.read())

    async with listening(refuse) as port:
        publisher = Publisher.for_client(
            endpoint_url=f"http://127.0.0.1:{port}",
            access_id="a",
            access_secret="b",
            bucket_name="talks",
            policy=POLICY,
        )
        with pytest.raises(ClientError, match="does not know the access key id"):
            await publisher.publish(BODY, name="a", content_type="audio/wav")
        assert await asyncio.wait_for(received, 10) == b""


async def test_a_refusal_is_heard_while_the_body_is_sent() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.readexactly(1_000_000)
        writer.write(reply("413 Too Large", "too much"))

    async with listening(refuse) as port:
        for _ in range(5):
            answer = await send(port)
            assert (answer.status, answer.text, answer.good) == (413, "too much", False)


@pytest.mark.usefixtures("impatient")
async def test_a_server_that_does_not_know_of_announcements_gets_the_body() -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(len(BODY)) == BODY
        writer.write(reply("201 Created"))

    async with listening(take) as port:
        assert (await send(port)).good


async def test_of_a_long_answer_the_beginning_is_kept() -> None:
    async def chatter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 100_000)
            await writer.drain()

    async with listening(chatter) as port:
        assert len((await send(port, b"small")).text) == 65_536


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000,
    ],
)
async def test_an_answer_that_is_none_is_an_error(said: bytes) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        writer.write(said)

    async with listening(say) as port:
        with pytest.raises((h11.ProtocolError, httpcore.NetworkError)):
            await asyncio.wait_for(send(port, b"small"), 10)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"]
)
@pytest.mark.parametrize("body", [b"small", BODY])
async def test_silence_ends(said: bytes, body: bytes) -> None:
    async def fall_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        while await reader.read(65_536):
            pass
        await asyncio.Event().wait()

    async with listening(fall_silent) as port:
        with pytest.raises(httpcore.ReadTimeout):
            await asyncio.wait_for(send(port, body, silence_s=0.1), 10)


@pytest.mark.usefixtures("impatient")
async def test_a_server_that_takes_nothing_ends_the_upload() -> None:
    async def stare(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with listening(stare) as port:
        with pytest.raises(httpcore.TimeoutException):
            await asyncio.wait_for(send(port, b"x" * 50_000_000, silence_s=0.2), 10)


async def test_leaving_closes_the_connection() -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        while await reader.read(65_536):
            pass
        gone.set()

    async with listening(hold) as port:
        sending = asyncio.create_task(send(port, b"small"))
        await asyncio.wait_for(arrived.wait(), 10)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(gone.wait(), 10)


async def test_tls_verifies_the_host_name(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await reader.readexactly(len(BODY)) == BODY
        writer.write(reply("200 OK"))

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=certificate)
    resolve = resolver({name: ["127.0.0.1"] for name in ("audio.test", "other.test")})

    async def publish(host: str) -> str:
        publisher = Publisher.for_client(
            endpoint_url=f"https://{host}:{port}",
            access_id="a",
            access_secret="b",
            bucket_name="talks",
            policy=POLICY,
            resolve=resolve,
        )
        return (await publisher.publish(BODY, name="a", content_type="audio/wav")).url

    async with listening(take, tls) as port:
        with pytest.raises(ClientError, match=r"audio\.test failed the TLS handshake"):  # not trusted
            await publish("audio.test")
        monkeypatch.setattr(put_module, "ssl_context", lambda: trusting)
        assert (await publish("audio.test")).startswith(f"https://audio.test:{port}/talks/a.wav?")
        with pytest.raises(ClientError, match=r"other\.test failed the TLS handshake"):
            await publish("other.test")
