"""gRPC through Serve's own proxy: the guide's request, our own services, and everything that goes wrong."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc import StatusCode
from grpc.aio import AioRpcError, Channel
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from ray import serve

from serve_app.config.app import AppConfig
from serve_app.graph.app import build_graph
from serve_app.grpc.protos import hate_speech_pb2, hate_speech_pb2_grpc
from serve_app.grpc.protos.classification_pb2 import ClassifyRequest
from serve_app.grpc.protos.classification_pb2_grpc import ClassificationStub
from serve_app.grpc.protos.transcription_pb2 import TranscribeRequest
from serve_app.grpc.protos.transcription_pb2_grpc import TranscriptionStub
from tests.e2e.conftest import Server
from tests.serving import AUDIO, WEB, classifier

SHORT = (AUDIO / "utt09.wav").read_bytes()
LONG = (AUDIO / "utt12_long.wav").read_bytes()
HEARD = "the green door and the small coffee"
LABELS = ("abusing", "hate", "neutral", "spam")
MIB = 1024**2


@pytest.fixture
async def channel(server: Server) -> AsyncIterator[Channel]:
    """A channel to the proxy."""
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(server.grpc, options) as channel:
        yield channel


async def refusal(call: Any) -> AioRpcError:
    """The error that a call ends with."""
    with pytest.raises(AioRpcError) as caught:
        await call
    assert "Traceback" not in str(caught.value.details())
    return caught.value


def by_http(server: Server, path: str, **request: Any) -> Any:
    """What HTTP answers to the same question."""
    return WEB.post(f"{server.url}/v1/{path}", timeout=60, **request).raise_for_status().json()


async def test_the_guides_request_gets_the_guides_answer(channel: Channel, server: Server) -> None:
    stub = hate_speech_pb2_grpc.runsyncStub(channel)
    sent = hate_speech_pb2.data(input=hate_speech_pb2.Input(prompt="Hello World"))
    answer = await stub.runsync(sent)
    assert (answer.status, answer.output.text) == ("COMPLETED", "Hello World")
    scores = {label: getattr(answer.output, label) for label in LABELS}
    assert sum(scores.values()) == pytest.approx(1, abs=1e-5)
    expected = by_http(server, "classify", json={"input": "Hello World"})
    assert scores == pytest.approx({label: expected[label] for label in LABELS}, abs=1e-5)
    literally = await channel.unary_unary("/service.runsync/runsync")(b"\x0a\x0d\x0a\x0bHello World")
    assert hate_speech_pb2.output.FromString(literally).output.neutral == pytest.approx(
        scores["neutral"], abs=1e-5
    )


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_servers_describe_themselves(channel: Channel, version: str) -> None:
    """Both versions of reflection have the same messages, so one set of classes reads both."""
    asking = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )()
    await asking.write(ServerReflectionRequest(list_services=""))
    assert {service.name for service in (await asking.read()).list_services_response.service} == {
        "service.runsync",
        "antiphon.v1.Classification",
        "antiphon.v1.Transcription",
        "antiphon.v1.Speech",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    pool = DescriptorPool()
    for name in (
        "antiphon.v1.Transcription",
        "grpc.health.v1.Health",
        f"grpc.reflection.{version}.ServerReflection",
    ):
        await asking.write(ServerReflectionRequest(file_containing_symbol=name))
        for file in reversed((await asking.read()).file_descriptor_response.file_descriptor_proto):
            pool.AddSerializedFile(file)
    asking.cancel()
    for service, methods in (
        ("antiphon.v1.Transcription", ["Transcribe", "StreamTranscription"]),
        ("grpc.health.v1.Health", ["Check", "List", "Watch"]),
        (f"grpc.reflection.{version}.ServerReflection", ["ServerReflectionInfo"]),
    ):
        assert [method.name for method in pool.FindServiceByName(service).methods] == methods


def test_the_package_for_reflection_reads_it(server: Server) -> None:
    with grpc.insecure_channel(server.grpc) as channel:
        described = ProtoReflectionDescriptorDatabase(channel)
        assert "antiphon.v1.Speech" in described.get_services()
        service = DescriptorPool(described).FindServiceByName("antiphon.v1.Speech")
        assert [method.name for method in service.methods] == ["Speak", "StreamSpeech", "ListVoices"]


async def test_health(channel: Channel) -> None:
    stub = HealthStub(channel)
    names = ("", "liveness", "service.runsync", "antiphon.v1.Transcription", "antiphon.v1.Speech")
    for name in names:
        assert (await stub.Check(HealthCheckRequest(service=name))).status == HealthCheckResponse.SERVING
    assert set((await stub.List(HealthListRequest())).statuses) == {*names, "antiphon.v1.Classification"}
    error = await refusal(stub.Check(HealthCheckRequest(service="nobody")))
    assert (error.code(), "antiphon.v1.Speech" in str(error.details())) == (StatusCode.NOT_FOUND, True)


async def test_texts_get_what_http_gives_them(channel: Channel, server: Server) -> None:
    texts = ["good morning", "you are all idiots", "good morning " * 600]
    answer = await ClassificationStub(channel).Classify(ClassifyRequest(texts=texts))
    expected = by_http(server, "classify", json={"input": texts})
    assert answer.model == "sample-classifier"
    for result, other in zip(answer.results, expected, strict=True):
        assert dict(result.scores) == pytest.approx({label: other[label] for label in LABELS}, abs=1e-5)
        assert (result.label, result.truncated) == (other["label"], other["truncated"])
        assert result.tokens > 0


async def test_a_file_gets_what_http_gives_it(channel: Channel, server: Server) -> None:
    fields = {"word_timestamps": "true", "flavour": "sweet"}
    call = TranscriptionStub(channel).Transcribe(TranscribeRequest(audio=SHORT, fields=fields))
    answer = await call
    expected = by_http(
        server,
        "audio/transcriptions",
        files={"file": SHORT},
        data={"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]},
    )
    assert answer.text == expected["text"] == HEARD
    assert (answer.language, answer.model) == ("en", "sample-asr")
    assert answer.duration == pytest.approx(expected["duration"], abs=0.01)
    for segment, other in zip(answer.segments, expected["segments"], strict=True):
        assert (segment.id, segment.text) == (other["id"], other["text"])
        assert (segment.start, segment.end) == pytest.approx((other["start"], other["end"]), abs=0.02)
        assert segment.avg_logprob == pytest.approx(other["avg_logprob"], abs=0.01)
    words = [word for segment in answer.segments for word in segment.words]
    assert [word.word.strip() for word in words] == [word["word"] for word in expected["words"]]
    assert dict(await call.trailing_metadata())["x-ignored-fields"] == "flavour"


async def test_events_come_while_the_audio_is_decoded(channel: Channel) -> None:
    stub = TranscriptionStub(channel)
    events = [event async for event in stub.StreamTranscription(TranscribeRequest(audio=LONG))]
    kinds = [event.WhichOneof("event") for event in events]
    assert (kinds[0], kinds[-1]) == ("started", "finished")
    assert kinds.count("segment") > 3
    assert kinds.index("progress") < len(kinds) - kinds[::-1].index("segment")
    text = "".join(event.segment.text for event in events if event.WhichOneof("event") == "segment").strip()
    assert text == (await stub.Transcribe(TranscribeRequest(audio=LONG))).text
    done = [event.progress.processed for event in events if event.WhichOneof("event") == "progress"]
    assert done == sorted(done)
    assert events[-1].finished.duration == pytest.approx(events[0].started.duration, abs=0.1)


async def test_segments_carry_the_scores_of_a_classifier(channel: Channel) -> None:
    answer = await TranscriptionStub(channel).Transcribe(TranscribeRequest(audio=SHORT, model="moderated"))
    assert set(answer.segments[0].classification) == set(LABELS)
    assert sum(answer.segments[0].classification.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("sent", "code", "said"),
    [
        (b"", StatusCode.INVALID_ARGUMENT, "`input.prompt` is empty"),
        (b"\x0a\x03\x0a\x01 ", StatusCode.INVALID_ARGUMENT, "`input.prompt` is blank"),
        (b"\xff\xff\xff", StatusCode.INVALID_ARGUMENT, "The request is no message of the type service.data."),
        (b"\x0a\x04\x0a\x02\xff\xfe", StatusCode.INVALID_ARGUMENT, "The request is no message of the type"),
        (b"\x0a\x0d\x0a\x0bHello", StatusCode.INVALID_ARGUMENT, "The request is no message of the type"),
        (b"x" * 9 * MIB, StatusCode.INVALID_ARGUMENT, "this server takes 8388608."),
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_prompts_that_cannot_be_answered(channel: Channel, sent: bytes, code: StatusCode, said: str) -> None:
    error = await refusal(channel.unary_unary("/service.runsync/runsync")(sent))
    assert error.code() == code
    assert said in str(error.details())


async def test_unknown_models_and_methods(channel: Channel) -> None:
    error = await refusal(ClassificationStub(channel).Classify(ClassifyRequest(texts=["a"], model="nobody")))
    assert error.code() == StatusCode.NOT_FOUND
    assert dict(error.trailing_metadata())["error-code"] == "model_not_found"
    error = await refusal(channel.unary_unary("/antiphon.v1.Classification/check_health")(b""))
    assert error.code() == StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("stream", [False, True])
async def test_files_that_are_no_audio(channel: Channel, stream: bool) -> None:
    stub, request = TranscriptionStub(channel), TranscribeRequest(audio=b"Dear diary, this is no sound. " * 40)
    if not stream:
        error = await refusal(stub.Transcribe(request))
    else:
        call = stub.StreamTranscription(request)
        assert (await call.read()).WhichOneof("event") is None
        error = await refusal(call.read())
    assert error.code() == StatusCode.INVALID_ARGUMENT
    assert "not audio" in str(error.details())
    told = dict(error.trailing_metadata())
    assert (told["error-code"], told["error-param"]) == ("invalid_audio", "audio")


async def test_ids_go_through(channel: Channel) -> None:
    call = ClassificationStub(channel).Classify(ClassifyRequest(texts=["a"]), metadata=[("request_id", "mine-1")])
    await call
    told = dict(await call.trailing_metadata())
    assert (told["request_id"], told["x-request-id"]) == ("mine-1", "mine-1")


@pytest.mark.parametrize("stream", [False, True])
async def test_who_leaves_frees_the_place(channel: Channel, stream: bool) -> None:
    """Three calls take all places and are cancelled; the next one gets in long before they would have ended."""
    stub, hold = TranscriptionStub(channel), TranscribeRequest(audio=LONG, model="tight")
    begin = time.monotonic()
    await asyncio.gather(*(stub.Transcribe(hold) for _ in range(3)))
    served_in = time.monotonic() - begin
    holders = [asyncio.create_task(occupy(stub, hold, stream)) for _ in range(3)]
    async with asyncio.timeout(60):
        while (error := await knock(stub)) is None:
            await asyncio.sleep(0)
    told = dict(error.trailing_metadata())
    assert int(told["retry-after"]) * 1_000 == int(told["grpc-retry-pushback-ms"])
    for holder in holders:
        holder.cancel()
    await asyncio.gather(*holders, return_exceptions=True)
    begin = time.monotonic()
    while await knock(stub):
        await asyncio.sleep(0.02)
    assert time.monotonic() - begin < served_in / 2


async def occupy(stub: Any, request: TranscribeRequest, stream: bool) -> None:
    """Hold a place until cancelled; knock again if there is none."""
    while True:
        with contextlib.suppress(AioRpcError):
            if stream:
                _ = [event async for event in stub.StreamTranscription(request)]
            else:
                await stub.Transcribe(request)


async def knock(stub: Any) -> AioRpcError | None:
    """The error if there is no place, None if there is."""
    try:
        await stub.Transcribe(TranscribeRequest(audio=SHORT, model="tight"))
    except AioRpcError as error:
        if error.code() != StatusCode.RESOURCE_EXHAUSTED:
            raise
        return error
    return None


async def test_many_calls_at_once(channel: Channel) -> None:
    stub = ClassificationStub(channel)
    alone = await stub.Classify(ClassifyRequest(texts=["good morning"]))
    calls = [stub.Classify(ClassifyRequest(texts=["good morning"] * (i + 1))) for i in range(64)]
    answers = await asyncio.gather(*calls)
    assert [len(answer.results) for answer in answers] == list(range(1, 65))
    for answer in answers:
        for result in answer.results:
            assert dict(result.scores) == pytest.approx(dict(alone.results[0].scores), abs=1e-5)


@pytest.fixture(scope="module")
def locked(server: Server) -> Iterator[str]:
    """A second application, which wants a key."""
    config = {"models": [classifier("sample-classifier", config={"load": "on_demand"})]}
    environment = {"env_vars": {"ANTIPHON_API_KEYS": "the-key"}}
    options: dict[str, Any] = {name: {"ray_actor_options": {"num_cpus": 0}} for name in ("sample-classifier",)}
    options["ingress"] = {"ray_actor_options": {"num_cpus": 0, "runtime_env": environment}}
    graph = build_graph(AppConfig.model_validate(config), options)
    serve.run(graph, name="locked", route_prefix="/locked")
    yield "locked"
    serve.delete("locked")


async def test_keys_are_asked_for(channel: Channel, locked: str) -> None:
    stub, sent = ClassificationStub(channel), ClassifyRequest(texts=["good morning"])
    place = ("application", locked)
    for wrong in ([place], [place, ("authorization", "Bearer another")]):
        error = await refusal(stub.Classify(sent, metadata=wrong))
        assert error.code() == StatusCode.UNAUTHENTICATED
    answer = await stub.Classify(sent, metadata=[place, ("authorization", "Bearer the-key")])
    assert answer.results[0].label == "neutral"


async def test_the_name_of_an_application(channel: Channel, locked: str) -> None:
    for metadata in ([], [("application", "nobody")]):
        error = await refusal(
            ClassificationStub(channel).Classify(ClassifyRequest(texts=["a"]), metadata=metadata)
        )
        assert (error.code(), dict(error.trailing_metadata())["error-param"]) == (
            StatusCode.NOT_FOUND,
            "application",
        )
        assert error.details() == f"The metadata `application` have to name one of default, {locked}."


async def test_health_of_several_applications(channel: Channel, locked: str) -> None:
    """Together they serve when all do; nobody needs a key to ask."""
    serving = HealthCheckResponse.SERVING
    stub, place = HealthStub(channel), ("application", locked)
    async with asyncio.timeout(30):  # what was heard of a new application may be a second old
        while (await stub.Check(HealthCheckRequest(service=""), metadata=[place])).status != serving:
            await asyncio.sleep(0.1)
    for service, metadata in (("", []), ("service.runsync", [place]), ("antiphon.v1.Speech", [])):
        answer = await stub.Check(HealthCheckRequest(service=service), metadata=metadata)
        assert answer.status == serving
    error = await refusal(stub.Check(HealthCheckRequest(service="antiphon.v1.Speech"), metadata=[place]))
    assert error.code() == StatusCode.NOT_FOUND
