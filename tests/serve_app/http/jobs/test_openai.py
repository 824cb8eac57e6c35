"""Requests of the OpenAI API as jobs: what the job gets, and what the client gets back."""

import asyncio
import base64
import json
import threading
from typing import Any

import httpx
import pytest

from deployments.errors import InvalidRequest
from serve_app.contracts.contract import Chunk, JobResult
from serve_app.http.jobs import openai, openai_stream
from tests.serve_app.http.jobs.conftest import sentence
from tests.serve_app.http.jobs.fake import FakeJobs
from tests.serve_app.http.server import wait_until

PATH = "/openai/v1/audio/transcriptions"
REFUSAL = {
    "error": {"message": "No.", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}
}


def giving(*values: Any) -> Any:
    """Work with this result, or these chunks if they are texts of events; an exception is raised."""

    async def work(job_input: Any) -> Any:
        for number, value in enumerate(values):
            match value:
                case BaseException():
                    raise value
                case float():
                    await asyncio.sleep(value)
                case str() if value.startswith("data:"):
                    yield Chunk(value, number, number + 1)
                case _:
                    yield JobResult(value)

    return work


class Refusal(InvalidRequest):
    status = 404


def job_input(jobs: FakeJobs) -> Any:
    return jobs.requests[jobs.only.id].input


def test_a_json_body(client: httpx.Client, jobs: FakeJobs) -> None:
    jobs.work = giving({"results": ["ü"]})
    answer = client.post("/openai/v1/moderations", json={"input": "a", "model": "m"})
    assert (answer.status_code, answer.json()) == (200, {"results": ["ü"]})
    assert answer.headers["x-job-id"] == jobs.only.id
    assert job_input(jobs) == {"openai_route": "/v1/moderations", "openai_input": {"input": "a", "model": "m"}}


@pytest.mark.parametrize(
    ("method", "body", "more"),
    [
        ("GET", b"", {}),
        ("DELETE", b"", {"openai_method": "DELETE"}),
        ("POST", b"", {"openai_method": "POST"}),
        ("PUT", b"{}", {"openai_method": "PUT", "openai_input": {}}),
    ],
)
def test_methods(client: httpx.Client, jobs: FakeJobs, method: str, body: bytes, more: dict[str, Any]) -> None:
    jobs.work = giving({"object": "list"})
    answer = client.request(method, "/openai/v1/models/org%2Fa b?x=1&x=%C3%BC", content=body)
    assert answer.json() == {"object": "list"}
    assert job_input(jobs) == {"openai_route": "/v1/models/org/a%20b?x=1&x=%C3%BC", **more}


def test_a_form_with_a_file(client: httpx.Client, jobs: FakeJobs) -> None:
    jobs.work = giving("Hello.\n")
    answer = client.post(
        PATH,
        data={"model": "m", "response_format": "text", "timestamp_granularities[]": ["word", "segment"]},
        files={"file": ("a/b.wav", b"\x00\xffRIFF", "audio/wav")},
    )
    assert (answer.status_code, answer.text) == (200, "Hello.\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    sent = job_input(jobs)["openai_input"]
    file = sent.pop("file")
    assert sent == {"model": "m", "response_format": "text", "timestamp_granularities[]": ["word", "segment"]}
    assert base64.b64decode(file.pop("data")) == b"\x00\xffRIFF"
    assert file == {"name": "b.wav", "content_type": "audio/wav"}


def test_bytes_come_back_as_bytes(client: httpx.Client, jobs: FakeJobs) -> None:
    jobs.work = giving({"content_type": "audio/mpeg", "data": base64.b64encode(b"\x00\xff").decode()})
    answer = client.post("/openai/v1/audio/speech", json={"input": "a"})
    assert (answer.content, answer.headers["content-type"]) == (b"\x00\xff", "audio/mpeg")
    assert not {"x-cut", "x-ignored-fields"} & set(answer.headers)
    facts = {"cut": True, "ignored_fields": ["mood", "instructions"]}
    jobs.work = giving({"content_type": "audio/mpeg", "data": base64.b64encode(b"\x00\xff").decode(), **facts})
    answer = client.post("/openai/v1/audio/speech", json={"input": "a"})
    assert (answer.content, answer.headers["content-type"]) == (b"\x00\xff", "audio/mpeg")
    assert (answer.headers["x-cut"], answer.headers["x-ignored-fields"]) == ("true", "mood, instructions")


def test_bodies_that_cannot_be_read(client: httpx.Client, jobs: FakeJobs) -> None:
    assert "not valid JSON" in sentence(client.post("/openai/v1/moderations", content=b"{"), 400)
    assert "has to be an object" in sentence(client.post("/openai/v1/moderations", json=[1]), 400)
    assert "empty" in sentence(client.post(PATH, files={"file": ("a.wav", b"", "audio/wav")}), 400)
    form = {"content-type": "multipart/form-data; boundary=x"}
    assert "form" in sentence(client.post(PATH, content=b"--x\r\nbroken", headers=form), 400)
    large = {"file": ("a.wav", b"x" * 300_000, "audio/wav")}
    assert "200000 bytes" in sentence(client.post(PATH, files=large), 413)
    assert not jobs.jobs


@pytest.mark.parametrize("stream", [True, False])
def test_the_error_of_the_route(client: httpx.Client, jobs: FakeJobs, stream: bool) -> None:
    jobs.work = giving(Refusal(json.dumps(REFUSAL)))
    answer = client.post("/openai/v1/moderations", json={"input": "a", "stream": stream})
    assert (answer.status_code, answer.json()) == (404, REFUSAL)
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("changes", "status", "kind"),
    [
        ({"status": "FAILED", "error": "The model is away.", "error_status": 503}, 503, "server_error"),
        ({"status": "FAILED", "error": "{}", "error_status": 400}, 400, "invalid_request_error"),
        ({"status": "FAILED", "error": None}, 500, "server_error"),
        ({"status": "TIMED_OUT", "error": "Too slow."}, 504, "timeout_error"),
        ({"status": "CANCELLED"}, 409, "invalid_request_error"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_other_errors_have_the_same_shape(
    client: httpx.Client, jobs: FakeJobs, changes: dict[str, Any], status: int, kind: str, stream: bool
) -> None:
    headers, body = {"idempotency-key": "k"}, {"input": "a", "stream": stream}
    jobs.change(client.post("/run", json={}, headers=headers).json()["id"], **changes)
    answer = client.post("/openai/v1/moderations", json=body, headers=headers)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == kind
    assert error["message"] == (changes.get("error") or error["message"])
    assert ("retry-after" in answer.headers) is (status == 503)


def test_a_stream_comes_as_it_is_made(client: httpx.Client, jobs: FakeJobs) -> None:
    events = ['data: {"a": "ü"}\n\n', "data: 2\n\n", "data: [DONE]\n\n"]
    jobs.work = giving(events[0], 0.2, *events[1:])
    with client.stream("POST", PATH, data={"stream": "true"}, files={"file": ("a", b"x")}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        texts = answer.iter_text()
        assert next(texts) == events[0]
        assert jobs.only.status == "IN_PROGRESS"
        assert "".join(texts) == "".join(events[1:])
    assert jobs.only.status == "COMPLETED"


def test_a_stream_that_fails_says_so_at_its_end(client: httpx.Client, jobs: FakeJobs) -> None:
    jobs.work = giving("data: 1\n\n", 0.05, Refusal(json.dumps(REFUSAL)))
    answer = client.post("/openai/v1/x", json={"stream": True})
    assert answer.status_code == 200
    first, last, rest = answer.text.split("\n\n")
    assert (first, rest) == ("data: 1", "")
    assert json.loads(last.removeprefix("data: ")) == REFUSAL


def test_silence_is_broken_by_comments(
    client: httpx.Client, jobs: FakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_stream.ChunkStream.__init__, "__defaults__", (0.05,))
    jobs.work = giving(0.3, "data: 1\n\n")
    answer = client.post("/openai/v1/x", json={"stream": True})
    assert answer.text.startswith(": ping\n\n")
    assert answer.text.endswith(": ping\n\ndata: 1\n\n")


def test_a_stream_of_what_does_not_stream(client: httpx.Client, jobs: FakeJobs) -> None:
    jobs.work = giving({"results": []})
    answer = client.post("/openai/v1/moderations", json={"stream": True})
    assert (answer.json(), answer.headers["content-type"]) == ({"results": []}, "application/json")


def test_a_stream_that_was_taken_before(client: httpx.Client, jobs: FakeJobs) -> None:
    jobs.work = giving("data: 1\n\n", "data: [DONE]\n\n")
    for _ in range(2):
        answer = client.post("/openai/v1/x", json={"stream": True}, headers={"idempotency-key": "k"})
        assert answer.text == "data: 1\n\ndata: [DONE]\n\n"
    assert len(jobs.jobs) == 1


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_cancels_the_job(client: httpx.Client, jobs: FakeJobs, stream: bool) -> None:
    def leave() -> None:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/openai/v1/x", json={"stream": stream}, timeout=httpx.Timeout(10, read=0.3))

    jobs.work = giving(30.0)
    leaving = threading.Thread(target=leave)
    leaving.start()
    wait_until(lambda: jobs.jobs and jobs.only.status == "IN_PROGRESS")
    leaving.join(10)
    wait_until(lambda: jobs.only.status == "CANCELLED")


async def test_a_job_that_takes_too_long_is_cancelled(jobs: FakeJobs) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Route

    from tests.serve_app.http.jobs.conftest import CONFIG
    from tests.serve_app.http.stub import client_of

    route = openai.OpenAiHandlers(jobs, CONFIG, wait_s=0.05)
    app = Starlette(routes=[Route("/v2/{endpoint}/openai/{path:path}", route.call, methods=["POST"])])
    async with client_of(app) as client:
        answer = await client.post("/v2/classify/openai/v1/x", json={"input": "a"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (504, "timeout_error")
    assert jobs.only.status == "CANCELLED"
