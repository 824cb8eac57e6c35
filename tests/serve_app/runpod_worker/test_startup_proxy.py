"""What owns the ports before there is anything behind them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from serve_app.runpod_worker import startup_proxy as front_module
from serve_app.runpod_worker.startup_proxy import StartupProxy, ports


@pytest.fixture
def front() -> Iterator[StartupProxy]:
    opened = StartupProxy([0, 0], host="127.0.0.1", probe="/ping")
    yield opened
    opened.close(0.1)


@contextlib.asynccontextmanager
async def upstream() -> AsyncIterator[int]:
    """Answers every line with the same line; waits before `slow`."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if line == b"slow\n":
                await asyncio.sleep(0.5)
            writer.write(line)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_probes_and_requests_before_there_is_anything(front: StartupProxy) -> None:
    assert len(set(front.ports)) == 2
    async with httpx.AsyncClient(trust_env=False) as client:
        for port in front.ports:
            url = f"http://127.0.0.1:{port}"
            assert (await client.get(f"{url}/ping?x=1")).status_code == 204
            refused = await client.post(f"{url}/v1/audio/transcriptions", content=b"x" * 5_000_000)
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "model_unavailable"
            assert (await client.get(f"{url}/pings")).status_code == 503


async def test_garbage_does_no_harm(front: StartupProxy) -> None:
    for garbage in (b"", b"\r\n\r\n", b"\0" * 200_000, b"GET\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", front.ports[0])
        with contextlib.suppress(OSError):  # it may be closed already
            writer.write(garbage)
            writer.write_eof()
            await reader.read()
        writer.close()
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://127.0.0.1:{front.ports[0]}/ping")).status_code == 204


async def test_a_request_of_before_is_answered_as_before(front: StartupProxy) -> None:
    """One whose head comes when there is something already. It was told of too many connections once."""
    heads = (b"GET /ping HTTP/1.1\r\n\r\n", b"GET /v1/models HTTP/1.1\r\n\r\n")
    connections = [await asyncio.open_connection("127.0.0.1", front.ports[0]) for _ in heads]
    async with upstream() as port, asyncio.timeout(10):
        while len(front._connections) < len(heads):
            await asyncio.sleep(0.001)
        front.open(port)
        answers = []
        for head, (reader, writer) in zip(heads, connections, strict=True):
            writer.write(head)
            answers.append(await reader.read())
            writer.close()
    probe, request = answers
    assert probe.startswith(b"HTTP/1.1 204 ")
    assert request.startswith(b"HTTP/1.1 503 ")
    assert b"The worker is starting." in request


async def test_whatever_a_connection_carries_is_passed_through(front: StartupProxy) -> None:
    async with upstream() as port:
        front.open(port)
        reader, writer = await asyncio.open_connection("127.0.0.1", front.ports[0])
        for line in (b"one\n", b"\0\xff\n", b"x" * 60_000 + b"\n"):
            writer.write(line)
            assert await reader.readline() == line
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()


async def test_closing_waits_for_answers_but_not_for_idle_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_module, "IDLE_S", 0.05)
    front = StartupProxy([0], host="127.0.0.1")
    async with upstream() as port:
        front.open(port)
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", front.ports[0])
        idle_writer.write(b"one\n")
        await idle.readline()
        busy, busy_writer = await asyncio.open_connection("127.0.0.1", front.ports[0])
        busy_writer.write(b"slow\n")
        await asyncio.sleep(0.1)  # it is no longer new
        async with asyncio.timeout(5):
            closing = asyncio.create_task(asyncio.to_thread(front.close, 60))
            assert await busy.readline() == b"slow\n"
            await closing
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", front.ports[0])
        for writer in (idle_writer, busy_writer):
            writer.close()


def test_a_taken_port_is_an_error(front: StartupProxy) -> None:
    with pytest.raises(OSError, match="in use"):
        StartupProxy([front.ports[0]], host="127.0.0.1")


def test_ports() -> None:
    assert ports({}) == [80]
    assert ports({"PORT": "8000", "PORT_HEALTH": "8000"}) == [8000]
    assert ports({"PORT": "8000", "PORT_HEALTH": "8001"}) == [8000, 8001]
    with pytest.raises(ValueError, match="PORT_HEALTH has to be a port"):
        ports({"PORT_HEALTH": "70000"})
