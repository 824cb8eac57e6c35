"""While the ingress is away Serve's proxy answers, and says so in our words."""

from typing import Any

import pytest
from grpc import StatusCode
from grpc.aio import Channel

from serve_app.grpc.protos.classification_pb2 import ClassifyRequest
from serve_app.grpc.protos.classification_pb2_grpc import ClassificationStub
from serve_app.grpc.protos.transcription_pb2 import TranscribeRequest
from serve_app.grpc.protos.transcription_pb2_grpc import TranscriptionStub
from tests.serve_app.grpc.conftest import Behind, refusal, trailing

ASKED, HEARD = ClassifyRequest(texts=["a"]), TranscribeRequest(audio=b"RIFF")


@pytest.mark.parametrize(
    ("status", "applications", "code", "words"),
    [
        (StatusCode.NOT_FOUND, (), StatusCode.UNAVAILABLE, "is starting or stopping"),
        (StatusCode.UNAVAILABLE, ("antiphon",), StatusCode.UNAVAILABLE, "is starting or stopping"),
        (StatusCode.RESOURCE_EXHAUSTED, ("antiphon",), StatusCode.UNAVAILABLE, "too many calls"),
        (StatusCode.INTERNAL, ("antiphon",), StatusCode.UNAVAILABLE, "ended before it answered"),
        (StatusCode.DEADLINE_EXCEEDED, ("antiphon",), StatusCode.DEADLINE_EXCEEDED, "`request_timeout_s`"),
        (StatusCode.NOT_FOUND, ("b", "a"), StatusCode.NOT_FOUND, "`application` have to name one of a, b."),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_serve_says_by_itself(
    channel: Channel,
    monkeypatch: pytest.MonkeyPatch,
    status: StatusCode,
    applications: Any,
    code: StatusCode,
    words: str,
    stream: bool,
) -> None:
    monkeypatch.setattr(Behind, "applications", applications)
    monkeypatch.setattr(Behind, "status", status)
    events: list[Any] = []

    async def streamed() -> None:
        events.extend([event async for event in TranscriptionStub(channel).StreamTranscription(HEARD)])

    error = await refusal(streamed() if stream else ClassificationStub(channel).Classify(ASKED))
    assert error.code() == code
    assert words in str(error.details())
    told = trailing(error)
    assert ("x-request-id" in told) == stream  # from the events that came before
    assert told.get("retry-after") == ("5" if code == StatusCode.UNAVAILABLE else None)
    assert told.get("grpc-retry-pushback-ms") == ("5000" if code == StatusCode.UNAVAILABLE else None)


async def test_what_the_ingress_says_stays(channel: Channel) -> None:
    error = await refusal(ClassificationStub(channel).Classify(ClassifyRequest(texts=["a"], model="nobody")))
    assert (error.code(), trailing(error)["error-code"]) == (StatusCode.NOT_FOUND, "model_not_found")
