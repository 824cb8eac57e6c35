"""The process that listens: services of its own, and questions to the applications behind it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from grpc_health.v1.health_pb2 import HealthListResponse

from serve_app.grpc import proxy_answers
from serve_app.grpc.health import Statuses

ASK_S = 5.0
LIST_APPLICATIONS = "/ray.serve.RayServeAPIService/ListApplications"
LIST_STATUSES = "/grpc.health.v1.Health/List"  # a method of the ingress, by its last part
_Handler = Callable[[bytes, Any], Awaitable[bytes]]


class Proxy:
    """The server of Serve's proxy, or that of a replica where HAProxy is the proxy: a ``gRPCGenericServer``."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._applications, self._statuses = self._serves(LIST_APPLICATIONS), self._serves(LIST_STATUSES)

    def add_services(self, services: Iterable[ServiceDescriptor]) -> None:
        """Add services whose methods the ingress answers, by their names and with requests as bytes."""
        for service in services:
            self.add(service.full_name, {method.name: self._handler(method) for method in service.methods})

    def add(self, service: str, methods: "Mapping[str, grpc.RpcMethodHandler[Any, Any]]") -> None:
        """Add a service that this process answers itself."""
        self._server.add_passthrough_service(service)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, dict(methods)),))

    def services(self) -> set[str]:
        """The names of all services that the server has, those of Serve and of others included."""
        return {
            method.split("/")[1]
            for handlers in self._server.generic_rpc_handlers
            for handler in handlers
            for method in handler._method_handlers  # as Serve itself reads them
        }

    async def statuses(self) -> Mapping[str, Statuses | None]:
        """What every application says of its services; None if it says nothing. Empty while there is none, or
        while this proxy takes no more calls. Takes 10 s at most.
        """
        names = await self.applications()
        answers = await asyncio.gather(*(_ask(self._statuses, application=name) for name in names))
        return {name: _read(answer) for name, answer in zip(names, answers, strict=True)}

    async def applications(self) -> Sequence[str]:
        """The names of all applications; none while this proxy takes no more calls."""
        answer = await _ask(self._applications)
        if answer is None:
            return ()
        described = descriptor_pool.Default().FindMessageTypeByName("ray.serve.ListApplicationsResponse")
        message: Any = message_factory.GetMessageClass(described).FromString(answer)
        return tuple(message.application_names)

    def _handler(self, method: MethodDescriptor) -> "grpc.RpcMethodHandler[bytes, bytes]":
        path = f"/{method.containing_service.full_name}/{method.name}"
        if method.server_streaming:
            events = proxy_answers.stream(self._serves(path, "unary_stream"), self.applications)
            return grpc.unary_stream_rpc_method_handler(events)
        return grpc.unary_unary_rpc_method_handler(proxy_answers.unary(self._serves(path), self.applications))

    def _serves(self, method: str, kind: str = "unary_unary") -> Any:
        """What Serve does with calls of a method: it sends them to the ingress of an application."""
        return self._server.service_handler_factory(service_method=method, streaming_type=kind)


class _OwnCall:
    """The context of a call that no client has made."""

    def __init__(self, metadata: Mapping[str, str]) -> None:
        self._metadata = tuple(metadata.items())
        self._code: grpc.StatusCode | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it has ended with an answer."""
        return self._code in (None, grpc.StatusCode.OK)

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata

    def trailing_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def auth_context(self) -> dict[str, Any]:
        return {}

    def peer(self) -> str:
        return "ipv4:127.0.0.1:0"

    def peer_identities(self) -> None:
        return None

    def peer_identity_key(self) -> None:
        return None

    def code(self) -> grpc.StatusCode | None:
        return self._code

    def details(self) -> str:
        return ""

    def set_code(self, code: grpc.StatusCode) -> None:
        self._code = code

    def set_details(self, details: str) -> None:
        """Nobody reads them."""

    def set_trailing_metadata(self, metadata: Any) -> None:
        """Nobody reads them."""

    def set_compression(self, compression: Any) -> None:
        """Nothing is sent."""


async def _ask(handler: _Handler, **metadata: str) -> bytes | None:
    """The answer; None if there is none, or none in time."""
    call = _OwnCall(metadata)
    try:
        answer = await asyncio.wait_for(handler(b"", call), ASK_S)
    except Exception:  # whatever Serve raises: the question is whether it works
        return None
    return answer if call.succeeded else None


def _read(answer: bytes | None) -> Statuses | None:
    if answer is None:
        return None
    statuses = HealthListResponse.FromString(answer).statuses
    return {name: statuses[name].status == statuses[name].SERVING for name in statuses}
