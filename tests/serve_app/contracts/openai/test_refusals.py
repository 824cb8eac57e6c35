"""What a job that is a request fails with, and which failures are worth another try."""

import json
import pickle
from typing import Any

import pytest

from deployments.errors import (
    AntiphonError,
    ClientError,
    DeadlineExceeded,
    ForbiddenUrl,
    InternalError,
    InvalidRequest,
    ModelUnavailable,
    Overloaded,
    PayloadTooLarge,
)
from serve_app.contracts.openai.contract import OpenAiMistake, OpenAiRefusal
from tests.serve_app.contracts.openai.job import CONTRACT, FILE, job
from tests.serve_app.contracts.support import context_of, output_of
from tests.serve_app.http.stub import MODERATIONS, PATH, SEGMENTS, StubGateway


@pytest.mark.parametrize(
    ("route", "method", "status"),
    [("/v1/nothing", None, 404), ("/v1/models", "POST", 405), ("/v1/../healthz", None, 404)],
)
async def test_refusals_of_the_router(route: str, method: str | None, status: int) -> None:
    with pytest.raises(OpenAiRefusal) as caught:
        await output_of({"openai_route": route, "openai_method": method})
    assert caught.value.status == status
    assert json.loads(caught.value.message)["error"]["message"]
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.status, copy.message) == (status, caught.value.message)


@pytest.mark.parametrize("stream", [True, False])
async def test_refusals_of_a_route(stream: bool) -> None:
    with pytest.raises(OpenAiRefusal) as caught:
        await output_of(job(file=FILE, beam_size=99, stream=stream))
    assert caught.value.status == 400
    assert isinstance(caught.value, ClientError)  # a job is not tried again after one
    assert json.loads(caught.value.message)["error"]["param"] == "beam_size"
    assert OpenAiRefusal.status == 500


@pytest.mark.parametrize("stream", [True, False])
async def test_what_may_be_tried_again_is_known_as_such(stream: bool) -> None:
    full = context_of(StubGateway((Overloaded("Full.", retry_after_s=7),)))
    with pytest.raises(Overloaded) as caught:
        await output_of(job(file=FILE, stream=stream), full)
    assert caught.value.retry_after_s == 7
    assert json.loads(caught.value.message)["error"]["message"] == "Full."
    with pytest.raises(ModelUnavailable):
        await output_of(job(file=FILE, stream=stream), context_of(StubGateway((ModelUnavailable("Loading."),))))


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (ModelUnavailable("Gone."), ModelUnavailable, 503),
        (InvalidRequest("Wrong."), OpenAiMistake, 400),
        (DeadlineExceeded("Late."), DeadlineExceeded, 504),
        (InternalError("Broken."), OpenAiRefusal, 500),
    ],
)
async def test_an_error_in_a_stream_fails_the_job(
    error: AntiphonError, kind: type[AntiphonError], status: int
) -> None:
    context = context_of(StubGateway((SEGMENTS[0], error)))
    items: Any = CONTRACT.run(job(file=FILE, stream=True), context)
    assert "The birch canoe" in (await anext(items)).value
    with pytest.raises(kind) as caught:
        await anext(items)
    assert caught.value.status == status
    assert json.loads(caught.value.message)["error"]["message"] == error.message


@pytest.mark.parametrize(
    ("job_input", "kind", "param"),
    [
        ({"openai_route": None}, InvalidRequest, "openai_route"),
        ({"openai_route": "/v2/transcribe/run"}, InvalidRequest, "openai_route"),
        ({"openai_route": "/docs"}, InvalidRequest, "openai_route"),
        ({"openai_route": "http://example.com/v1/models"}, InvalidRequest, "openai_route"),
        ({"openai_route": "/v1/a b"}, InvalidRequest, "openai_route"),
        ({"openai_route": "/v1/\r\nx: y"}, InvalidRequest, "openai_route"),
        ({"openai_route": "/v1/" + "a" * 3_000}, InvalidRequest, "openai_route"),
        ({"openai_route": "/v1/models", "openai_method": "CONNECT"}, InvalidRequest, "openai_method"),
        ({"openai_route": "/v1/models", "openai_method": 5}, InvalidRequest, "openai_method"),
        ({"openai_route": PATH, "openai_input": [1]}, InvalidRequest, "openai_input"),
        ({"openai_route": MODERATIONS, "openai_input": {"input": float("nan")}}, InvalidRequest, "openai_input"),
        (job(file="no base64!"), InvalidRequest, "file"),
        (job(file={"name": "a"}), InvalidRequest, "file"),
        (job(file={"url": "file:///etc/passwd"}), ForbiddenUrl, "file.url"),
        (job(file="A" * 4_000), PayloadTooLarge, "file"),
        (job(MODERATIONS, input="a" * 4_000), PayloadTooLarge, "openai_input"),
        (job(file=FILE, prompt="\ud800"), InvalidRequest, "openai_input"),
    ],
)
async def test_bad_inputs(job_input: dict[str, Any], kind: type[AntiphonError], param: str) -> None:
    with pytest.raises(kind) as caught:
        await output_of(job_input, context_of(upload_bytes=2_000))
    assert caught.value.param == param
    assert caught.value.message.endswith(".")
