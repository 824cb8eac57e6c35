"""The services that a gRPC server offers, as their protocols describe them."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor

from serve_app.config.tasks import ModelTask
from serve_app.grpc import health, reflection
from serve_app.grpc.protos import classification_pb2, hate_speech_pb2, speech_pb2, transcription_pb2
from serve_app.grpc.proxy import Proxy

PROTOCOLS: tuple[tuple[Any, ModelTask], ...] = (
    (hate_speech_pb2, "classification"),
    (classification_pb2, "classification"),
    (transcription_pb2, "transcription"),
    (speech_pb2, "speech"),
)
SERVICES: Mapping[ServiceDescriptor, ModelTask] = {
    service: task for protocol, task in PROTOCOLS for service in protocol.DESCRIPTOR.services_by_name.values()
}


def add_services(servicer: Any, server: Any) -> None:
    """Add every service to the server of Serve's proxy, which sends calls to the ingress's methods by name.

    Serve calls it, as ``grpc_options.grpc_servicer_functions`` names it; ``servicer`` is a mock. Methods get
    requests as bytes: the proxy would read them only to write them again, and would answer unreadable ones with a
    traceback. Health and reflection are answered by the process that listens, also while there is no ingress.
    """
    proxy = Proxy(server)
    proxy.add_services(SERVICES)
    names = [service.full_name for service in SERVICES]
    proxy.add(health.NAME, health.Health(proxy.statuses, names).handlers())
    proxy.add(reflection.NAME, reflection.handlers(proxy.services))
