"""Chunks: once each, as soon as they are there, and an end that every client understands."""

import json
import threading
import time
from typing import Any

import httpx
import pytest

from serve_app.http.jobs import streams
from tests.serve_app.http.jobs.conftest import sentence
from tests.serve_app.http.jobs.fake import FakeJobs
from tests.serve_app.http.server import wait_until


@pytest.fixture(autouse=True)
def hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HOLD_S", 0.2)


@pytest.fixture
def job(client: httpx.Client, jobs: FakeJobs) -> str:
    client.post("/run", json={"input": {}})
    return jobs.only.id


def page(client: httpx.Client, job: str) -> tuple[str, list[Any]]:
    answer = client.get(f"/stream/{job}")
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"status", "stream"}
    assert all(item.keys() == {"output"} for item in body["stream"])
    return body["status"], [item["output"] for item in body["stream"]]


def test_nothing_yet(client: httpx.Client, jobs: FakeJobs, job: str) -> None:
    began = time.monotonic()
    assert page(client, job) == ("IN_QUEUE", [])
    assert time.monotonic() - began >= 0.2
    jobs.change(job, status="IN_PROGRESS")
    assert page(client, job) == ("IN_PROGRESS", [])


def test_chunks_come_once_and_the_end_with_the_last(client: httpx.Client, jobs: FakeJobs, job: str) -> None:
    jobs.change(job, status="IN_PROGRESS")
    jobs.chunks[job] += [{"a": "ü"}, [1, None]]
    assert page(client, job) == ("IN_PROGRESS", [{"a": "ü"}, [1, None]])
    jobs.chunks[job] += ["last"]
    jobs.change(job, status="COMPLETED", output=[])
    assert page(client, job) == ("COMPLETED", ["last"])
    assert page(client, job) == ("COMPLETED", [])
    assert client.post(f"/stream/{job}").json() == {"status": "COMPLETED", "stream": []}


def test_a_chunk_ends_the_waiting(client: httpx.Client, jobs: FakeJobs, job: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(streams, "HOLD_S", 30)
    jobs.change(job, status="IN_PROGRESS")
    found: list[Any] = []
    ask = threading.Thread(target=lambda: found.append(page(client, job)))
    ask.start()
    jobs.chunks[job].append(1)
    ask.join(10)
    assert found == [("IN_PROGRESS", [1])]


def test_the_end_comes_with_the_last_page(client: httpx.Client, jobs: FakeJobs, job: str) -> None:
    jobs.page_chunks = 2
    jobs.chunks[job] += range(5)
    jobs.change(job, status="COMPLETED", output=[])
    pages = [page(client, job) for _ in range(4)]
    assert pages == [
        ("IN_PROGRESS", [0, 1]),
        ("IN_PROGRESS", [2, 3]),
        ("COMPLETED", [4]),
        ("COMPLETED", []),
    ]


@pytest.mark.parametrize(
    ("status", "shown"), [("FAILED", "FAILED"), ("TIMED_OUT", "TIMED_OUT"), ("CANCELLED", "FAILED")]
)
def test_a_bad_end_comes_after_the_chunks(
    client: httpx.Client, jobs: FakeJobs, job: str, status: str, shown: str
) -> None:
    """RunPod's own client never stops at CANCELLED; ivrit's drops what comes with a failure."""
    jobs.chunks[job] += [1]
    jobs.change(job, status=status)
    assert page(client, job) == ("IN_PROGRESS", [1])
    assert page(client, job) == (shown, [])
    assert client.get(f"/status/{job}").json()["status"] == status


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT"])
def test_a_bad_end_says_why(client: httpx.Client, jobs: FakeJobs, job: str, status: str) -> None:
    jobs.chunks[job] += [1]
    jobs.change(job, status=status, error="No voice is called nobody.")
    assert page(client, job) == ("IN_PROGRESS", [1])
    assert client.get(f"/stream/{job}").json() == {
        "status": status,
        "stream": [],
        "error": "No voice is called nobody.",
    }


def test_an_attempt_that_failed_is_no_end(client: httpx.Client, jobs: FakeJobs, job: str) -> None:
    jobs.change(job, status="IN_QUEUE", error="The replica died.")
    assert page(client, job) == ("IN_QUEUE", [])


def test_chunks_of_a_job_that_is_queued_again(client: httpx.Client, jobs: FakeJobs, job: str) -> None:
    jobs.chunks[job] += [1]
    assert page(client, job) == ("IN_PROGRESS", [1])


def test_lone_surrogates_do_not_break_a_page(client: httpx.Client, jobs: FakeJobs, job: str) -> None:
    jobs.chunks[job] += [json.loads('"\\ud800"')]
    assert page(client, job) == ("IN_PROGRESS", ["?"])


def test_a_client_that_leaves_ends_the_waiting(
    client: httpx.Client, jobs: FakeJobs, job: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(streams, "HOLD_S", 60)
    with pytest.raises(httpx.ReadTimeout):
        client.get(f"/stream/{job}", timeout=httpx.Timeout(10, read=0.2))
    wait_until(lambda: jobs.streaming == 0)


def test_no_such_job(client: httpx.Client) -> None:
    assert "no job" in sentence(client.get("/stream/nobody"), 404)
