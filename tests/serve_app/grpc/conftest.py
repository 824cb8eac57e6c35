"""The services on a real server of gRPC, around the stub that the tests of HTTP use."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from grpc.aio import AioRpcError, Channel

from serve_app.config.app import GrpcConfig
from serve_app.grpc import add_services
from serve_app.grpc.servicer import Servicer
from serve_app.keys import ApiKeys
from tests.serve_app.http.stub import StubGateway

UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
Connect = Callable[..., Any]


@pytest.fixture
def gateway() -> StubGateway:
    """What answers."""
    return StubGateway()


@pytest.fixture
async def connect(gateway: StubGateway) -> AsyncIterator[Connect]:
    """Starts a server and gives a channel to it; ``keys`` it knows, and its configuration."""
    async with AsyncExitStack() as stack:

        async def start(address: str = "127.0.0.1", keys: tuple[str, ...] = (), **config: Any) -> Channel:
            server = grpc.aio.server(options=UNLIMITED)
            add_services(Servicer(gateway, GrpcConfig(**config), ApiKeys(keys)), server)
            port = server.add_insecure_port(f"{address}:0")
            await server.start()
            stack.push_async_callback(server.stop, None)
            return await stack.enter_async_context(grpc.aio.insecure_channel(f"{address}:{port}", UNLIMITED))

        yield start


@pytest.fixture
async def channel(connect: Connect) -> Channel:
    """A channel to an open server with the default configuration."""
    opened: Channel = await connect()
    return opened


async def refusal(call: Any) -> AioRpcError:
    """The error that a call ends with."""
    with pytest.raises(AioRpcError) as caught:
        await call
    return caught.value


def trailing(error: AioRpcError) -> dict[str, Any]:
    """The metadata that came with an error."""
    return dict(error.trailing_metadata())
