"""The services on the server of Serve's proxy, without Serve, around the stub that the tests of HTTP use."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError, Channel
from ray.serve._private.grpc_util import gRPCGenericServer
from ray.serve.generated.serve_pb2 import ListApplicationsResponse

from serve_app.config.app import GrpcConfig
from serve_app.grpc import add_services
from serve_app.grpc.servicer import Servicer
from serve_app.keys import ApiKeys
from tests.serve_app.http.stub import StubGateway

UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
Connect = Callable[..., Any]


class Behind:
    """What a proxy's calls go to: a servicer as the ingress of the ``applications``. With a ``status``, Serve says
    that in its place, at the end.
    """

    applications: tuple[str, ...] = ("antiphon",)
    status: StatusCode | None = None

    def __init__(self, servicer: Servicer) -> None:
        self._servicer = servicer

    def handler(self, service_method: str, streaming_type: str) -> Any:
        """A method by its name, or Serve's list of applications."""
        name = service_method.rpartition("/")[2]

        async def unary(request: bytes, context: Any) -> bytes:
            if name == "ListApplications":
                return ListApplicationsResponse(application_names=self.applications).SerializeToString()
            if self.status is not None:
                _end(context, self.status)
                return b""
            return (await getattr(self._servicer, name)(request, context)).SerializeToString()

        async def stream(request: bytes, context: Any) -> AsyncIterator[bytes]:
            async for message in getattr(self._servicer, name)(request, context):
                yield message.SerializeToString()
            if self.status is not None:
                _end(context, self.status)

        return stream if streaming_type == "unary_stream" else unary


def _end(context: Any, status: StatusCode) -> None:
    context.set_code(status)
    context.set_details("The actor died. Traceback (most recent call last):")


@pytest.fixture
def gateway() -> StubGateway:
    """What answers."""
    return StubGateway()


@pytest.fixture
async def connect(gateway: StubGateway) -> AsyncIterator[Connect]:
    """Starts a server and gives a channel to it; ``keys`` it knows, and its configuration."""
    async with AsyncExitStack() as stack:

        async def start(address: str = "127.0.0.1", keys: tuple[str, ...] = (), **config: Any) -> Channel:
            servicer = Servicer(gateway, GrpcConfig(**config), ApiKeys(keys))
            server = gRPCGenericServer(Behind(servicer).handler, extra_options=list(UNLIMITED))
            add_services(None, server)
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
