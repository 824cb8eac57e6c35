"""What surrounds every call: who is let in, sizes, ids, statuses, the log."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from deployments import errors
from serve_app.config.app import GrpcConfig
from serve_app.grpc.call import Call
from serve_app.grpc.protos.classification_pb2 import ClassifyRequest
from serve_app.grpc.protos.classification_pb2_grpc import ClassificationStub
from serve_app.grpc.protos.transcription_pb2 import TranscribeRequest
from serve_app.grpc.servicer import Servicer
from serve_app.keys import ApiKeys
from tests.serve_app.grpc.conftest import Connect, refusal, trailing
from tests.serve_app.http.stub import StubGateway

REQUEST = ClassifyRequest(texts=["a"])
MIB = 1024**2


def call_from(peer: str) -> Call:
    """A call of a client at an address, as gRPC spells it."""
    context: Any = SimpleNamespace(
        peer=lambda: peer, invocation_metadata=lambda: None, trailing_metadata=lambda: ()
    )
    return Call("/a/b", context)


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("ipv4:127.0.0.1:50052", True),
        ("ipv4:127.8.9.10:1", True),
        ("ipv6:%5B::1%5D:50052", True),
        ("ipv6:[::1]:50052", True),
        ("ipv6:%5B::ffff:127.0.0.1%5D:50052", True),
        ("ipv4:192.0.2.7:50052", False),
        ("ipv4:0.0.0.0:1", False),
        ("ipv6:%5B::ffff:192.0.2.7%5D:50052", False),
        ("ipv6:%5B2001:db8::1%5D:50052", False),
        ("ipv6:%5Bfe80::1%25eth0%5D:50052", False),
        ("unix:", False),
        ("unix:/tmp/127.0.0.1:1", False),
        ("ipv4:localhost:1", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_only_loopback_is_this_machine(peer: str, local: bool) -> None:
    assert call_from(peer).is_local == local


async def test_other_machines_are_told_why_they_are_refused(
    connect: Connect, gateway: StubGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Call, "is_local", False)
    stub = ClassificationStub(await connect(keys=("k",)))
    error = await refusal(stub.Classify(REQUEST))
    assert error.code() == StatusCode.PERMISSION_DENIED
    assert "`grpc.remote_clients: true`" in str(error.details())
    assert not gateway.questions
    open_stub = ClassificationStub(await connect(remote_clients=True))
    assert (await open_stub.Classify(REQUEST)).results


@pytest.mark.parametrize(
    ("sent", "lets_in"),
    [
        ([("authorization", "Bearer first")], True),
        ([("authorization", "bearer second")], True),
        ([("authorization", "Bearer third")], False),
        ([("authorization", "first")], False),
        ([("authorization-bin", b"Bearer first")], False),
        ([], False),
    ],
)
async def test_keys_are_those_of_http(connect: Connect, gateway: StubGateway, sent: Any, lets_in: bool) -> None:
    stub = ClassificationStub(await connect(keys=("first", "second")))
    if lets_in:
        assert (await stub.Classify(REQUEST, metadata=sent)).results
        return
    error = await refusal(stub.Classify(REQUEST, metadata=sent))
    assert error.code() == StatusCode.UNAUTHENTICATED
    assert trailing(error)["error-code"] == "invalid_api_key"
    assert not gateway.questions


async def test_nothing_is_read_without_a_key(connect: Connect) -> None:
    call = (await connect(keys=("first",))).unary_unary("/antiphon.v1.Classification/Classify")
    assert (await refusal(call(b"\xff" * 100))).code() == StatusCode.UNAUTHENTICATED


async def test_large_messages_are_refused(connect: Connect, gateway: StubGateway) -> None:
    channel = await connect(message_bytes=4 * MIB)
    stub = ClassificationStub(channel)
    error = await refusal(stub.Classify(ClassifyRequest(texts=["x" * 4 * MIB])))
    assert error.code() == StatusCode.INVALID_ARGUMENT
    assert "this server takes 4194304." in str(error.details())
    assert trailing(error)["error-code"] == "payload_too_large"
    assert not gateway.questions
    assert (await stub.Classify(ClassifyRequest(texts=["x" * (4 * MIB - 10)]))).results


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff\xff\xff",
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x0a\x05ab",
        b"\x0b" * 1000,
        b"\xff" * 2 * MIB,
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "/service.runsync/runsync",
        "/antiphon.v1.Classification/Classify",
        "/antiphon.v1.Transcription/Transcribe",
        "/antiphon.v1.Transcription/StreamTranscription",
    ],
)
async def test_bytes_that_mean_nothing_are_refused(
    channel: grpc.aio.Channel, caplog: pytest.LogCaptureFixture, path: str, sent: bytes
) -> None:
    error = await refusal(_all(channel.unary_stream(path)(sent)))
    assert error.code() == StatusCode.INVALID_ARGUMENT
    assert "Traceback" not in caplog.text


async def _all(call: Any) -> list[bytes]:
    return [message async for message in call]


class Context:
    """A call's context without a server."""

    status = StatusCode.OK

    def invocation_metadata(self) -> None:
        """None were sent."""

    def trailing_metadata(self) -> tuple[()]:
        return ()

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def set_code(self, code: StatusCode) -> None:
        self.status = code

    def set_details(self, details: str) -> None:
        details.encode()

    def set_trailing_metadata(self, trailing_metadata: list[tuple[str, str]]) -> None:
        assert all(value.isascii() for _, value in trailing_metadata)


@given(st.binary(max_size=64), st.sampled_from(["runsync", "Classify", "Transcribe"]))
def test_no_bytes_break_a_method(sent: bytes, method: str) -> None:
    context = Context()
    servicer = Servicer(StubGateway(), GrpcConfig(), ApiKeys())
    answer = asyncio.run(getattr(servicer, method)(sent, context))
    assert context.status in (StatusCode.OK, StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND)
    assert bool(answer.ByteSize()) == (context.status is StatusCode.OK)


async def test_texts_have_to_be_utf_8(channel: grpc.aio.Channel, gateway: StubGateway) -> None:
    for path, sent in (
        ("service.runsync/runsync", b"\x0a\x04\x0a\x02\xff\xfe"),
        ("antiphon.v1.Classification/Classify", b"\x0a\x02\xff\xfe"),
    ):
        error = await refusal(channel.unary_unary(f"/{path}")(sent))
        assert error.code() == StatusCode.INVALID_ARGUMENT
        assert str(error.details()).startswith("The request is no message of the type ")
    assert not gateway.questions


async def test_unknown_fields_are_left_alone(channel: grpc.aio.Channel) -> None:
    call = channel.unary_unary("/antiphon.v1.Classification/Classify")
    assert await call(REQUEST.SerializeToString() + b"\xf8\x3f\x01")


async def test_methods_nobody_knows_are_unimplemented(channel: grpc.aio.Channel) -> None:
    error = await refusal(channel.unary_unary("/antiphon.v1.Classification/runsync")(b""))
    assert error.code() == StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("sent", "id_"),
    [
        ([("x-request-id", "abc-1")], "abc-1"),
        ([("request_id", "abc-2")], "abc-2"),
        ([("request_id", "abc-2"), ("x-request-id", "abc-1")], "abc-1"),
        ([("x-request-id", "a b;c")], "abc"),
        ([("x-request-id", "x" * 500)], "x" * 128),
    ],
)
async def test_the_clients_id_is_kept(
    channel: grpc.aio.Channel, gateway: StubGateway, caplog: pytest.LogCaptureFixture, sent: Any, id_: str
) -> None:
    with caplog.at_level(logging.INFO, "ray.serve"):
        call = ClassificationStub(channel).Classify(REQUEST, metadata=sent)
        await call
        assert dict(await call.trailing_metadata())["x-request-id"] == id_
    assert gateway.questions[0].request_id == id_
    (record,) = [record for record in caplog.records if record.name == "ray.serve"]
    assert record.request_id == id_


async def test_a_call_without_an_id_gets_one(channel: grpc.aio.Channel, gateway: StubGateway) -> None:
    call = channel.unary_stream("/antiphon.v1.Transcription/StreamTranscription")(
        TranscribeRequest(audio=b"x").SerializeToString()
    )
    _ = [event async for event in call]
    told = dict(await call.trailing_metadata())
    assert len(told["x-request-id"]) == 32
    assert gateway.request.request_id == told["x-request-id"]


async def test_every_call_is_one_line_in_the_log(
    channel: grpc.aio.Channel, gateway: StubGateway, caplog: pytest.LogCaptureFixture
) -> None:
    stub = ClassificationStub(channel)
    with caplog.at_level(logging.INFO, "ray.serve"):
        await stub.Classify(REQUEST)
        await refusal(stub.Classify(ClassifyRequest()))
        gateway.hindrances = [errors.ModelUnavailable("It is loading.")]
        await refusal(stub.Classify(REQUEST, metadata=[("x-request-id", "mine")]))
        gateway.hindrances = [RuntimeError("secret")]
        await refusal(stub.Classify(REQUEST, metadata=[("x-request-id", "yours")]))
    lines = [
        record.getMessage().rpartition(" ms")[0].rpartition(" ")[0] or record.getMessage()
        for record in caplog.records
    ]
    assert lines == [
        "gRPC /antiphon.v1.Classification/Classify OK",
        "gRPC /antiphon.v1.Classification/Classify INVALID_ARGUMENT",
        "request mine: It is loading.",
        "gRPC /antiphon.v1.Classification/Classify UNAVAILABLE",
        "request yours failed",
        "gRPC /antiphon.v1.Classification/Classify INTERNAL",
    ]
    assert [bool(record.exc_info) for record in caplog.records] == [False] * 4 + [True, False]
    assert caplog.records[0].status == "OK"
    assert caplog.records[0].latency_ms >= 0
