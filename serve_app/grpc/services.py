"""The services that a gRPC server offers, as their protocols describe them."""

from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from serve_app.grpc.protos import classification_pb2, hate_speech_pb2, speech_pb2, transcription_pb2

SERVICES: tuple[ServiceDescriptor, ...] = tuple(
    service
    for protocol in (hate_speech_pb2, classification_pb2, transcription_pb2, speech_pb2)
    for service in protocol.DESCRIPTOR.services_by_name.values()
)


def add_services(servicer: Any, server: Any) -> None:
    """Add every service to a server; ``servicer`` has a method for each of their methods.

    Serve's proxy calls it, as ``grpc_options.grpc_servicer_functions`` names it. Methods get requests as bytes:
    the proxy would read them only to write them again, and would answer unreadable ones with a traceback.
    """
    for service in SERVICES:
        handlers = {method.name: _handler(servicer, method) for method in service.methods}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))


def _handler(servicer: Any, method: MethodDescriptor) -> "grpc.RpcMethodHandler[bytes, Message]":
    kind = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
    return kind(getattr(servicer, method.name), response_serializer=_written)


def _written(message: Message) -> bytes:
    return message.SerializeToString()
