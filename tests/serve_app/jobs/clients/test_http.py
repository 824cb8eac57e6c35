"""The job API over HTTP with everything behind it: one life of a job after the other, and hostile requests."""

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.serve_app.http.server import wait_until
from tests.serve_app.http.stub import SEGMENTS, StubGateway
from tests.serve_app.jobs.clients.site import KEY, Served

SPAM = {"input": {"prompt": "This is spam."}}
SLOW = {
    "input": {"model": "whisper-1", "streaming": True, "transcribe_args": {"url": "https://example.com/a.wav"}}
}


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    headers = {"authorization": KEY}
    with httpx.Client(base_url=f"{served.url}/v2", headers=headers, timeout=20, verify=False) as client:
        yield client


def error(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    assert "Traceback" not in answer.text
    return str(answer.json()["error"])


def status(client: httpx.Client, path: str) -> str:
    return str(client.get(path).json()["status"])


def test_the_life_of_a_job(client: httpx.Client) -> None:
    job = client.post("/classify/run", json=SPAM).json()
    assert job.keys() == {"id", "status"}
    found = client.get(f"/classify/status-sync/{job['id']}").json()
    assert found.keys() == {"id", "status", "delayTime", "executionTime", "output", "workerId"}
    assert found["output"]["text"] == "This is spam."
    assert client.get(f"/classify/status/{job['id']}", params={"ttl": 20_000}).json() == found
    assert client.post(f"/classify/cancel/{job['id']}").json() == {"id": job["id"], "status": "COMPLETED"}
    assert "COMPLETED" in error(client.post(f"/classify/retry/{job['id']}"), 400)
    assert job["id"] in [entry["id"] for entry in client.get("/classify/requests").json()["requests"]]


def test_progress_stream_and_cancel(client: httpx.Client, gateway: StubGateway) -> None:
    gateway.script = (*gateway.script[:-1], 60.0)
    job = client.post("/transcribe/run", json=SLOW).json()["id"]
    seen: list[str] = []
    while len(seen) < 2:
        page = client.get(f"/transcribe/stream/{job}").json()
        assert page["status"] in ("IN_QUEUE", "IN_PROGRESS")
        entries = [entry for item in page["stream"] for entry in item["output"]]
        seen += [segment["text"] for e in entries if e["type"] == "segments" for segment in e["data"]]
    assert seen == [segment.text for segment in SEGMENTS]
    assert "IN_PROGRESS" in error(client.post(f"/transcribe/retry/{job}"), 400)
    assert client.post(f"/transcribe/cancel/{job}").json() == {"id": job, "status": "CANCELLED"}
    wait_until(lambda: gateway.active == 0)
    assert client.get(f"/transcribe/stream/{job}").json() == {"status": "FAILED", "stream": []}
    assert status(client, f"/transcribe/status/{job}") == "CANCELLED"


def test_a_failed_job_can_be_retried(client: httpx.Client, gateway: StubGateway) -> None:
    from deployments.errors import InvalidRequest

    gateway.hindrances = (InvalidRequest("The moon is full."),)
    failed = client.post("/classify/runsync", json=SPAM).json()
    assert (failed["status"], failed["error"]) == ("FAILED", "The moon is full.")
    gateway.hindrances = ()
    again = client.post(f"/classify/retry/{failed['id']}").json()
    assert again == {"id": failed["id"], "status": "IN_QUEUE"}
    found = client.get(f"/classify/status-sync/{failed['id']}").json()
    assert (found["status"], found["retries"]) == ("COMPLETED", 1)


def test_the_execution_timeout(
    client: httpx.Client, gateway: StubGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.jobs.options.SHORTEST_EXECUTION_MS", 1_000)
    gateway.hindrances = (60.0,)
    began = time.monotonic()
    body = {**SPAM, "policy": {"executionTimeout": 1_000}}
    found = client.post("/strict/runsync", json=body)
    assert found.status_code == 504
    assert found.json()["status"] == "TIMED_OUT"
    assert 0.9 < time.monotonic() - began < 15
    wait_until(lambda: gateway.active == 0)


def test_the_same_key_runs_once(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": "order-7"}
    first, second = (client.post("/classify/runsync", json=SPAM, headers=headers).json() for _ in range(2))
    assert first == second
    assert first["status"] == "COMPLETED"


def test_a_batch(client: httpx.Client) -> None:
    batch = client.post("/classify/batch", json=[SPAM, SPAM]).json()["id"]
    assert client.post(f"/classify/batch/{batch}/requests", json=[SPAM]).json()["requestTotal"] == 3
    assert client.get(f"/classify/batch/{batch}/requests").json()["requests"][0]["input"] == SPAM["input"]
    assert client.post(f"/classify/batch/{batch}/finalize").json() == {"id": batch, "status": "FINALIZED"}
    wait_until(lambda: client.get(f"/classify/batch/{batch}").json()["requestCompleted"] == 3)
    page = client.get(f"/classify/batch/{batch}/requests", params={"limit": 2}).json()
    assert page["hasMore"]
    assert {entry["status"] for entry in page["requests"]} == {"COMPLETED"}


def test_a_dropped_job(client: httpx.Client, gateway: StubGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time to live counts from its submission, even while it runs."""
    monkeypatch.setattr("serve_app.jobs.options.SHORTEST_TTL_MS", 1_500)
    gateway.hindrances = (60.0,)
    job = client.post("/classify/run", json={**SPAM, "policy": {"ttl": 1_500}}).json()["id"]
    assert status(client, f"/classify/status/{job}") in ("IN_QUEUE", "IN_PROGRESS")
    wait_until(lambda: client.get(f"/classify/status/{job}").status_code == 404, seconds=20)
    assert "no job" in error(client.get(f"/classify/stream/{job}"), 404)
    wait_until(lambda: gateway.active == 0)


HOSTILE: list[tuple[str, str, dict[str, Any], int]] = [
    ("POST", "/nowhere/run", {"json": SPAM}, 404),
    ("POST", "/classify/run", {"json": SPAM, "headers": {"authorization": "wrong"}}, 401),
    ("POST", "/classify/run", {"content": b"{"}, 400),
    ("POST", "/classify/run", {"content": b""}, 400),
    ("POST", "/classify/run", {"json": {"input": "text"}}, 400),
    ("POST", "/classify/run", {"json": [SPAM]}, 400),
    ("POST", "/classify/run", {"json": {**SPAM, "webhook": "nowhere"}}, 400),
    ("POST", "/classify/run", {"content": b'{"input": {"a": "' + b"x" * 10 * 1024**2 + b'"}}'}, 413),
    ("POST", "/classify/runsync?wait=1", {"json": SPAM}, 400),
    ("GET", "/classify/status/nobody", {}, 404),
    ("GET", "/classify/status/%00%ff", {}, 404),
    ("GET", "/classify/status/" + "x" * 5_000, {}, 404),
    ("GET", "/classify/status/';DROP TABLE jobs;--", {}, 404),
    ("GET", "/classify/stream/nobody", {}, 404),
    ("POST", "/classify/cancel/nobody", {}, 404),
    ("POST", "/classify/retry/nobody", {}, 404),
    ("GET", "/classify/run", {}, 405),
    ("GET", "/classify/batch/nobody", {}, 404),
    ("POST", "/classify/batch/nobody/finalize", {}, 404),
    ("DELETE", "/classify/batch/nobody/requests/nobody", {}, 404),
    ("POST", "/classify/batch", {"json": [SPAM] * 5_001}, 400),
]


@pytest.mark.parametrize(("method", "path", "sent", "expected"), HOSTILE, ids=lambda value: str(value)[:50])
def test_hostile_requests(
    client: httpx.Client,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    sent: dict[str, Any],
    expected: int,
) -> None:
    with caplog.at_level(logging.WARNING):
        found = error(client.request(method, path, **sent), expected)
    assert found.endswith(".")
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    "job_input",
    [
        {},
        {"prompt": None},
        {"prompt": "\ud800"},
        {"prompt": ["a", 1]},
        {"openai_route": "/etc/passwd"},
        {"openai_route": "/v1/classify", "openai_input": []},
        {"model": "nobody", "transcribe_args": {"url": "file:///etc/passwd"}},
        {"a": {"b": [None] * 100}},
    ],
)
def test_inputs_that_fail(client: httpx.Client, job_input: dict[str, Any]) -> None:
    answer = client.post("/classify/runsync", content=json.dumps({"input": job_input}))
    assert answer.status_code == 200
    found = answer.json()
    assert found["status"] == "FAILED"
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text
    assert isinstance(found["error"], str)
