"""gRPC's reflection in version 1, beside v1alpha, which is Serve's: how tools learn the protocols."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc import StatusCode
from grpc_reflection.v1alpha import reflection, reflection_pb2

PACKAGE, OLDER_PACKAGE = "grpc.reflection.v1", "grpc.reflection.v1alpha"
NAME, OLDER_NAME = f"{PACKAGE}.ServerReflection", f"{OLDER_PACKAGE}.ServerReflection"
_FILE = "grpc/reflection/v1/reflection.proto"


def handlers(services: Callable[[], set[str]]) -> "dict[str, grpc.RpcMethodHandler[Any, Any]]":
    """The method. ``services`` are the server's, v1alpha among them if ``grpc_options.enable_reflection`` is true,
    on which Serve decides later.
    """
    _describe()

    async def answer(requests: AsyncIterator[Any], context: Any) -> AsyncGenerator[Any, None]:
        if OLDER_NAME not in (served := services()):
            await context.abort(StatusCode.UNIMPLEMENTED, "`grpc_options.enable_reflection` is false here.")
        names = {name for name in served if not name.startswith("ray.serve.")}
        servicer = reflection.aio.ReflectionServicer(names)  # type: ignore[attr-defined]
        async for response in servicer.ServerReflectionInfo(requests, context):
            yield response

    handler = grpc.stream_stream_rpc_method_handler(
        answer,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return {"ServerReflectionInfo": handler}


def _describe() -> None:
    """Make version 1 known to the pool of descriptors: v1alpha's messages, which are the same, in its package."""
    pool = descriptor_pool.Default()
    try:
        pool.FindFileByName(_FILE)
    except KeyError:
        file = FileDescriptorProto()
        reflection_pb2.DESCRIPTOR.CopyToProto(file)
        file.ClearField("options")
        file.name, file.package = _FILE, PACKAGE
        for message in file.message_type:
            for field in (one for one in message.field if one.type_name):
                field.type_name = field.type_name.replace(f".{OLDER_PACKAGE}.", f".{PACKAGE}.")
        for method in file.service[0].method:
            method.input_type = method.input_type.replace(OLDER_PACKAGE, PACKAGE)
            method.output_type = method.output_type.replace(OLDER_PACKAGE, PACKAGE)
        pool.AddSerializedFile(file.SerializeToString())
