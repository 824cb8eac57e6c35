"""Every error of the tree has its status, its sentence and its metadata, whatever is in them."""

import math

import grpc
import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from deployments import errors
from serve_app.grpc.errors import LONGEST_DETAILS, RemoteClient, UnsuitableModel, details, metadata, status_code
from serve_app.grpc.protos.classification_pb2 import ClassifyRequest
from serve_app.grpc.protos.classification_pb2_grpc import ClassificationStub
from tests.serve_app.grpc.conftest import refusal
from tests.serve_app.http.stub import StubGateway


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidRequest("x"), StatusCode.INVALID_ARGUMENT),
        (errors.AuthenticationFailed("x"), StatusCode.UNAUTHENTICATED),
        (errors.ModelNotFound("x"), StatusCode.NOT_FOUND),
        (errors.Overloaded("x", retry_after_s=1), StatusCode.RESOURCE_EXHAUSTED),
        (errors.UndecodableAudio("x"), StatusCode.INVALID_ARGUMENT),
        (errors.PayloadTooLarge("x"), StatusCode.INVALID_ARGUMENT),
        (errors.AudioTooLong("x"), StatusCode.INVALID_ARGUMENT),
        (errors.ForbiddenUrl("x"), StatusCode.INVALID_ARGUMENT),
        (errors.FetchFailed("x"), StatusCode.INVALID_ARGUMENT),
        (errors.DeadlineExceeded("x"), StatusCode.DEADLINE_EXCEEDED),
        (errors.ModelUnavailable("x"), StatusCode.UNAVAILABLE),
        (errors.InternalError("x"), StatusCode.INTERNAL),
        (errors.AntiphonError("x"), StatusCode.INTERNAL),
        (RemoteClient("x"), StatusCode.PERMISSION_DENIED),
        (UnsuitableModel("x"), StatusCode.FAILED_PRECONDITION),
    ],
)
def test_every_error_has_a_status(error: errors.AntiphonError, code: StatusCode) -> None:
    assert status_code(error) == code
    assert ("error-code", error.code) in metadata(error)


@pytest.mark.parametrize(
    ("wait", "told"), [(0.01, "1"), (1, "1"), (2.1, "3"), (math.inf, "60"), (math.nan, "60"), (-5, "1")]
)
def test_a_wait_is_whole_seconds(wait: float, told: str) -> None:
    found = dict(metadata(errors.Overloaded("x", retry_after_s=wait)))
    assert (found["retry-after"], found["grpc-retry-pushback-ms"]) == (told, f"{told}000")


@given(st.text(max_size=200), st.integers(1, 100))
def test_sentences_fit_whatever_is_in_them(text: str, times: int) -> None:
    whole = text * times
    cut = details(errors.InvalidRequest(whole))
    plain = whole.encode("utf-8", "replace").decode()
    assert plain.startswith(cut)
    on_the_wire = sum(1 if 32 <= byte <= 126 and byte != ord("%") else 3 for byte in cut.encode())
    assert on_the_wire <= LONGEST_DETAILS
    assert cut == plain or on_the_wire > LONGEST_DETAILS - 12


@given(st.text())
def test_metadata_is_ascii_whatever_the_field_is_called(name: str) -> None:
    for key, value in metadata(errors.InvalidRequest("x", param=name.encode("utf-8", "ignore").decode())):
        assert key.isascii()
        assert all(" " <= character <= "~" for character in value)
        assert len(value) <= 9 * 128 + 128 * 3


async def test_long_foreign_sentences_arrive(channel: grpc.aio.Channel, gateway: StubGateway) -> None:
    gateway.hindrances = [errors.InvalidRequest("字" * 10_000 + "\n", param="字" * 1_000)]
    error = await refusal(ClassificationStub(channel).Classify(ClassifyRequest(texts=["a"])))
    assert error.code() == StatusCode.INVALID_ARGUMENT
    assert error.details() == "字" * (LONGEST_DETAILS // 9)
