"""Jobs one at a time, as their clients see them."""

import threading
import time
from typing import Any

import httpx
import pytest

from deployments.errors import InvalidRequest, Overloaded
from serve_app.contracts.contract import JobProgress, JobResult
from serve_app.jobs.types import Job
from tests.serve_app.http.jobs.conftest import sentence
from tests.serve_app.http.jobs.fake import FakeJobs
from tests.serve_app.http.server import wait_until

INPUT = {"input": {"prompt": "Good morning."}}


async def upper(job_input: Any) -> Any:
    """Work that takes no time."""
    yield JobProgress({"done": 0.5})
    yield JobResult({"text": job_input.get("prompt", "").upper()})


async def refuse(job_input: Any) -> Any:
    """Work that cannot be done."""
    yield JobProgress({"done": 0.5})
    raise InvalidRequest("`prompt` is missing.", param="prompt")


def test_run_acknowledges_and_status_follows(client: httpx.Client, jobs: FakeJobs) -> None:
    answer = client.post("/run", json={**INPUT, "surprise": 1})
    job = jobs.only
    assert (answer.status_code, answer.json()) == (200, {"id": job.id, "status": "IN_QUEUE"})
    assert answer.headers["x-ignored-fields"] == "surprise"
    assert jobs.requests[job.id].input == INPUT["input"]
    assert client.get(f"/status/{job.id}").json() == {"id": job.id, "status": "IN_QUEUE"}
    jobs.change(job.id, status="IN_PROGRESS", started=job.created + 0.25, worker="w", output={"done": 0.5})
    shown = {"id": job.id, "status": "IN_PROGRESS", "delayTime": 250, "output": {"done": 0.5}, "workerId": "w"}
    assert client.get(f"/status/{job.id}").json() == shown
    jobs.change(job.id, status="COMPLETED", finished=job.created + 1, output=[1, "ü"])
    shown |= {"status": "COMPLETED", "executionTime": 750, "output": [1, "ü"]}
    assert client.get(f"/status/{job.id}").json() == shown
    assert client.post(f"/status/{job.id}", json={}).json() == shown


def test_a_failed_job_has_an_error_instead_of_an_output(client: httpx.Client, jobs: FakeJobs) -> None:
    client.post("/run", json=INPUT)
    jobs.change(jobs.only.id, status="FAILED", error="It cannot be done.", error_status=400)
    shown = client.get(f"/status/{jobs.only.id}").json()
    assert shown == {"id": jobs.only.id, "status": "FAILED", "error": "It cannot be done."}


def test_status_keeps_a_result_for_longer(client: httpx.Client, jobs: FakeJobs) -> None:
    client.post("/run", json=INPUT)
    assert client.get(f"/status/{jobs.only.id}", params={"ttl": 10_000}).status_code == 200
    assert jobs.kept[jobs.only.id] == 10
    for ttl in ("9999", "604800001", "soon", "1e5", "-1", "٣٠٠٠٠"):
        assert "`ttl`" in sentence(client.get(f"/status/{jobs.only.id}", params={"ttl": ttl}), 400)


@pytest.mark.parametrize("operation", ["status", "status-sync", "stream", "cancel", "retry"])
def test_a_job_that_is_not_there(client: httpx.Client, jobs: FakeJobs, operation: str) -> None:
    """Never seen, expired, or of another endpoint."""
    client.post("/run", json=INPUT)
    method = "POST" if operation in ("cancel", "retry") else "GET"
    assert "no job 'nobody'" in sentence(client.request(method, f"/{operation}/nobody"), 404)
    elsewhere = str(client.base_url).replace("/v2/classify", f"/v2/transcribe/{operation}/{jobs.only.id}")
    sentence(client.request(method, elsewhere), 404)


def test_runsync_waits(client: httpx.Client, jobs: FakeJobs) -> None:
    jobs.work = upper
    answer = client.post("/runsync", json=INPUT)
    job = jobs.only
    assert answer.status_code == 200
    assert job.sync
    assert job.id.startswith("sync-")
    assert answer.json()["output"] == {"text": "GOOD MORNING."}
    assert answer.json()["status"] == "COMPLETED"
    assert type(answer.json()["delayTime"]) is type(answer.json()["executionTime"]) is int


def test_runsync_answers_with_the_unfinished_job(client: httpx.Client, jobs: FakeJobs) -> None:
    began = time.monotonic()
    answer = client.post("/runsync", params={"wait": 1000}, json=INPUT)
    assert (answer.status_code, answer.json()) == (200, {"id": jobs.only.id, "status": "IN_QUEUE"})
    assert 0.9 < time.monotonic() - began < 10
    for wait in ("999", "300001", "long", "1.5e3"):
        assert "`wait`" in sentence(client.post("/runsync", params={"wait": wait}, json=INPUT), 400)
    assert len(jobs.jobs) == 1


def test_status_sync_waits(client: httpx.Client, jobs: FakeJobs) -> None:
    client.post("/run", json=INPUT)
    found: list[Any] = []
    ask = threading.Thread(target=lambda: found.append(client.get(f"/status-sync/{jobs.only.id}").json()))
    ask.start()
    wait_until(lambda: jobs.waiting == 1)
    assert not found
    jobs.change(jobs.only.id, status="COMPLETED", output=3)
    ask.join(10)
    assert found == [{"id": jobs.only.id, "status": "COMPLETED", "output": 3}]


def test_a_client_that_leaves_stops_waiting_and_not_the_job(client: httpx.Client, jobs: FakeJobs) -> None:
    with pytest.raises(httpx.ReadTimeout):
        client.post("/runsync", json=INPUT, timeout=httpx.Timeout(10, read=0.3))
    wait_until(lambda: jobs.waiting == 0)
    assert jobs.only.status == "IN_QUEUE"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"status": "COMPLETED", "output": 1}, 200),
        ({"status": "FAILED", "error": "No.", "error_status": 413}, 413),
        ({"status": "FAILED", "error": "No."}, 500),
        ({"status": "TIMED_OUT", "error": "No."}, 504),
        ({"status": "CANCELLED"}, 409),
        ({"status": "IN_PROGRESS"}, 504),
    ],
)
@pytest.mark.parametrize("by", ["endpoint", "query", "neither"])
def test_the_status_of_the_failure(
    client: httpx.Client, jobs: FakeJobs, changes: dict[str, Any], status: int, by: str
) -> None:
    """For proxies that look at nothing but the HTTP status; the body stays the envelope."""
    base = str(client.base_url)
    path = base.replace("/classify", "/strict") if by == "endpoint" else base
    params: dict[str, Any] = {"wait": 1000} | ({"http_errors": "true"} if by == "query" else {})
    headers = {"idempotency-key": "k"}
    first = client.post(f"{path}run", json=INPUT, headers=headers)
    jobs.change(first.json()["id"], **changes)
    answer = client.post(f"{path}runsync", params=params, json=INPUT, headers=headers)
    assert answer.status_code == (200 if by == "neither" else status)
    assert answer.json()["id"] == jobs.only.id
    assert answer.json()["status"] == changes["status"]
    if by == "endpoint":
        off = client.post(f"{path}runsync", params={**params, "http_errors": "0"}, json=INPUT, headers=headers)
        assert off.status_code == 200


def test_http_errors_is_a_switch(client: httpx.Client, jobs: FakeJobs) -> None:
    answer = client.post("/runsync", params={"http_errors": "maybe"}, json=INPUT)
    assert sentence(answer, 400) == "`http_errors` has to be true or false, not 'maybe'."
    assert not jobs.jobs


def test_a_refused_input_fails_the_job(client: httpx.Client, jobs: FakeJobs) -> None:
    jobs.work = refuse
    answer = client.post("/runsync", json=INPUT)
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["error"]) == ("FAILED", "`prompt` is missing.")
    assert client.post("/runsync?http_errors=true", json=INPUT).status_code == 400


def test_an_idempotency_key_gives_the_same_job(client: httpx.Client, jobs: FakeJobs) -> None:
    headers = {"Idempotency-Key": "order 7"}
    first, second = (client.post("/run", json=INPUT, headers=headers).json() for _ in range(2))
    assert first == second == {"id": jobs.only.id, "status": "IN_QUEUE"}
    jobs.change(jobs.only.id, status="COMPLETED", output=1)
    assert client.post("/run", json=INPUT, headers=headers).json()["status"] == "COMPLETED"
    for key in ("x" * 256, "ключ".encode()):
        answer = client.post("/run", json=INPUT, headers={"Idempotency-Key": key})
        assert "Idempotency-Key" in sentence(answer, 400)


def final(jobs: FakeJobs, status: str) -> Job:
    return jobs.change(jobs.only.id, status=status)


def test_cancel(client: httpx.Client, jobs: FakeJobs) -> None:
    client.post("/run", json=INPUT)
    shown = {"id": jobs.only.id, "status": "CANCELLED"}
    assert client.post(f"/cancel/{jobs.only.id}").json() == shown
    assert client.post(f"/cancel/{jobs.only.id}", json={}).json() == shown
    assert "GET" in sentence(client.get(f"/cancel/{jobs.only.id}"), 405)


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "TIMED_OUT"])
def test_cancel_of_a_finished_job_tells_its_real_status(client: httpx.Client, jobs: FakeJobs, status: str) -> None:
    client.post("/run", json=INPUT)
    final(jobs, status)
    answer = client.post(f"/cancel/{jobs.only.id}")
    assert (answer.status_code, answer.json()) == (200, {"id": jobs.only.id, "status": status})


def test_retry(client: httpx.Client, jobs: FakeJobs) -> None:
    client.post("/run", json=INPUT)
    for status in ("IN_QUEUE", "IN_PROGRESS", "COMPLETED", "CANCELLED"):
        final(jobs, status)
        assert status in sentence(client.post(f"/retry/{jobs.only.id}"), 400)
    for status in ("FAILED", "TIMED_OUT"):
        final(jobs, status)
        answer = client.post(f"/retry/{jobs.only.id}")
        assert (answer.status_code, answer.json()) == (200, {"id": jobs.only.id, "status": "IN_QUEUE"})
    assert client.get(f"/status/{jobs.only.id}").json()["retries"] == 2


def test_a_full_queue_says_when_to_come_back(client: httpx.Client, jobs: FakeJobs) -> None:
    jobs.failure = Overloaded("The queue of 'classify' is full.", retry_after_s=2.4)
    for operation in ("run", "runsync"):
        answer = client.post(f"/{operation}", json=INPUT)
        sentence(answer, 429)
        assert answer.headers["retry-after"] == "3"


def test_our_own_fault_is_told_in_a_sentence(client: httpx.Client, jobs: FakeJobs) -> None:
    jobs.failure = RuntimeError("secret details")
    answer = client.post("/run", json=INPUT)
    assert "secret" not in sentence(answer, 500)
