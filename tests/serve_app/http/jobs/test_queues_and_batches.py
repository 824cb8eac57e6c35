"""All jobs of an endpoint, and batches."""

import time

import httpx

from serve_app.config.app import HttpConfig
from serve_app.config.jobs import JobsConfig
from serve_app.http.app import create_app
from serve_app.keys import ApiKeys
from tests.serve_app.http.jobs.conftest import sentence
from tests.serve_app.http.jobs.fake import FakeJobs
from tests.serve_app.http.stub import StubGateway, client_of

INPUT = {"input": {"prompt": "Good morning."}}


def test_health(client: httpx.Client, jobs: FakeJobs) -> None:
    for status in ("IN_QUEUE", "IN_PROGRESS", "COMPLETED", "COMPLETED", "FAILED"):
        jobs.change(client.post("/run", json=INPUT).json()["id"], status=status)
    shown = {
        "jobs": {"completed": 2, "failed": 1, "inProgress": 1, "inQueue": 1, "retried": 0},
        "workers": {"idle": 1, "running": 0},
    }
    assert client.get("/health").json() == client.post("/health").json() == shown


def test_purging_removes_what_waits(client: httpx.Client, jobs: FakeJobs) -> None:
    for status in ("IN_QUEUE", "IN_QUEUE", "IN_PROGRESS"):
        jobs.change(client.post("/run", json=INPUT).json()["id"], status=status)
    assert client.post("/purge-queue").json() == {"removed": 2, "status": "completed"}
    assert jobs.only.status == "IN_PROGRESS"
    assert "POST" in sentence(client.get("/purge-queue"), 405)


def test_requests_lists_the_newest(client: httpx.Client, jobs: FakeJobs) -> None:
    ids = [client.post("/run", json=INPUT).json()["id"] for _ in range(3)]
    found = client.get("/requests").json()["requests"]
    assert found == [{"id": job_id, "status": "IN_QUEUE"} for job_id in reversed(ids)]
    assert [job["id"] for job in client.get("/requests?limit=1").json()["requests"]] == ids[-1:]
    for limit in ("0", "1001", "all"):
        assert "`limit`" in sentence(client.get(f"/requests?limit={limit}"), 400)


def test_a_batch_from_draft_to_queue(client: httpx.Client, jobs: FakeJobs) -> None:
    made = client.post("/batch", json=[INPUT, {}])
    assert (made.status_code, made.json()["status"]) == (200, "DRAFT")
    batch = made.json()["id"]
    assert made.json() == {"id": batch, "status": "DRAFT"}
    assert client.post(f"/batch/{batch}/requests", json={"requests": [INPUT, INPUT]}).json()["requestTotal"] == 4
    first = client.get(f"/batch/{batch}/requests?limit=3").json()
    assert {key: first[key] for key in ("total", "offset", "limit", "hasMore")} == {
        "total": 4,
        "offset": 0,
        "limit": 3,
        "hasMore": True,
    }
    assert first["requests"][0]["input"] == INPUT["input"]
    assert client.get(f"/batch/{batch}/requests?offset=3").json()["hasMore"] is False
    one, two = (entry["id"] for entry in first["requests"][:2])
    assert client.put(f"/batch/{batch}/requests/{one}", json={"input": {"prompt": "x"}}).json() == {"id": one}
    assert client.delete(f"/batch/{batch}/requests/{two}").json() == {"id": two}
    assert client.get(f"/batch/{batch}/requests").json()["requests"][0]["input"] == {"prompt": "x"}
    assert not jobs.jobs
    assert client.post(f"/batch/{batch}/finalize").json() == {"id": batch, "status": "FINALIZED"}
    assert len(jobs.jobs) == 3
    shown = client.get(f"/batch/{batch}").json()
    assert abs(shown.pop("createdAt") - time.time() * 1_000) < 60_000
    counters = {"requestTotal": 3, "requestInProgress": 0, "requestCompleted": 0, "requestFailed": 0}
    assert shown == {"id": batch, "status": "FINALIZED", **counters}
    assert "FINALIZED" in sentence(client.post(f"/batch/{batch}/requests", json=[INPUT]), 400)
    assert client.post(f"/batch/{batch}/cancel").json() == {"id": batch, "status": "CANCELLED"}
    assert [entry["id"] for entry in client.get("/batch").json()["batches"]] == [batch]


def test_batches_that_cannot_be(client: httpx.Client, jobs: FakeJobs) -> None:
    assert "Request 1 of the batch: `input`" in sentence(client.post("/batch", json=[{"input": 1}]), 400)
    assert "list of jobs" in sentence(client.post("/batch", json={"input": {}}), 400)
    assert "10000 bytes" in sentence(client.post("/batch", json=[{"input": {"a": "x" * 20_000}}]), 413)
    for method, path in (("GET", ""), ("GET", "/requests"), ("POST", "/finalize"), ("POST", "/cancel")):
        assert "no batch 'nobody'" in sentence(client.request(method, f"/batch/nobody{path}"), 404)
    batch = client.post("/batch", json=[]).json()["id"]
    assert "no request" in sentence(client.delete(f"/batch/{batch}/requests/nobody"), 404)
    assert "`input`" in sentence(client.put(f"/batch/{batch}/requests/nobody", json={"input": 1}), 400)
    assert "`offset`" in sentence(client.get(f"/batch/{batch}/requests?offset=-1"), 400)


def test_endpoints_that_are_not_there(client: httpx.Client) -> None:
    base = str(client.base_url).removesuffix("/classify/")
    for method, path in (
        ("POST", "/nowhere/run"),
        ("POST", "/nowhere/runsync"),
        ("GET", "/nowhere/health"),
        ("GET", "/nowhere/stream/x"),
        ("POST", "/nowhere/batch"),
        ("POST", "/nowhere/openai/v1/moderations"),
        ("POST", "/Classify/run"),
    ):
        found = sentence(client.request(method, base + path, json={}), 404)
        assert "There is no endpoint" in found
        assert "Endpoints: any-classifier" not in found
        assert "classify" in found
    for path in ("/classify", "/classify/", "/classify/nothing", "/classify/status", "/"):
        assert "There is nothing at GET" in sentence(client.get(base + path), 404)
    assert "There is nothing" in sentence(client.get(base), 404)


async def test_a_server_without_a_job_service_says_so() -> None:
    async with client_of(create_app(StubGateway(), HttpConfig(), ApiKeys())) as client:
        for answer in (await client.post("/v2/classify/run", json={}), await client.get("/v2/classify/status/x")):
            assert sentence(answer, 404) == "This server has no job service: its configuration has no `jobs:`."


async def test_the_server_wide_limit_has_the_same_shape() -> None:
    app = create_app(
        StubGateway(), HttpConfig(upload_bytes=100), ApiKeys(), jobs=FakeJobs(), jobs_config=JobsConfig()
    )
    async with client_of(app) as client:
        assert "100 bytes" in sentence(await client.post("/v2/classify/run", content=b"x" * 101), 413)
