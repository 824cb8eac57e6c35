"""Reflection in version 1, as tools ask for it, and what becomes of it without Serve's own."""

from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc import StatusCode
from grpc.aio import Channel
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from ray.serve._private.grpc_util import enable_server_reflection, gRPCGenericServer

from serve_app.grpc import reflection
from tests.serve_app.grpc import conftest
from tests.serve_app.grpc.conftest import Connect, refusal

OURS = {
    "service.runsync",
    "antiphon.v1.Classification",
    "antiphon.v1.Transcription",
    "antiphon.v1.Speech",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
}


@pytest.fixture
async def describing(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> Channel:
    """A server to which Serve has added v1alpha after ours, as it does."""

    def add(servicer: Any, server: gRPCGenericServer) -> None:
        add_services(servicer, server)
        enable_server_reflection(server)

    add_services = conftest.add_services
    monkeypatch.setattr(conftest, "add_services", add)
    return await connect(keys=("the-key",))


def asking(channel: Channel, version: str = "v1") -> Any:
    """A stream of questions; the messages of both versions are the same on the wire."""
    return channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_every_service_can_be_called_from_its_description_alone(describing: Channel, version: str) -> None:
    call = asking(describing, version)
    await call.write(ServerReflectionRequest(list_services=""))
    names = {service.name for service in (await call.read()).list_services_response.service}
    assert names == OURS
    pool, known = DescriptorPool(), set()
    for name in sorted(names):
        await call.write(ServerReflectionRequest(file_containing_symbol=name))
        files = [
            FileDescriptorProto.FromString(sent)
            for sent in (await call.read()).file_descriptor_response.file_descriptor_proto
        ]
        for file in reversed(files):
            if file.name not in known:
                known.add(file.name)
                pool.Add(file)
        assert pool.FindServiceByName(name).methods
    await call.done_writing()
    assert not await call.read()
    method = pool.FindServiceByName(reflection.NAME).FindMethodByName("ServerReflectionInfo")
    assert (method.client_streaming, method.server_streaming) == (True, True)
    assert method.input_type.full_name == "grpc.reflection.v1.ServerReflectionRequest"
    assert "host" in method.input_type.fields_by_name


async def test_questions_without_an_answer(describing: Channel) -> None:
    call = asking(describing)
    for asked, code in (
        (ServerReflectionRequest(file_containing_symbol="no.such.Thing"), StatusCode.NOT_FOUND),
        (ServerReflectionRequest(file_by_filename="../../etc/passwd"), StatusCode.NOT_FOUND),
        (ServerReflectionRequest(), StatusCode.INVALID_ARGUMENT),
    ):
        await call.write(asked)
        assert (await call.read()).error_response.error_code == code.value[0]
    call.cancel()


async def test_it_is_off_where_serves_own_is(channel: Channel) -> None:
    call = asking(channel)

    async def ask() -> Any:
        await call.write(ServerReflectionRequest(list_services=""))  # fails if the refusal was faster
        return await call.read()

    error = await refusal(ask())
    assert (error.code(), error.details()) == (
        StatusCode.UNIMPLEMENTED,
        "`grpc_options.enable_reflection` is false here.",
    )
