"""Where the job API looks for keys."""

import json
from typing import Any

import httpx
import pytest

from serve_app.config.app import HttpConfig
from serve_app.config.jobs import JobsConfig
from serve_app.contracts.contract import JobResult
from serve_app.http.app import create_app
from serve_app.http.jobs import credentials
from serve_app.keys import ApiKeys
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.jobs.conftest import KEY, sentence
from tests.serve_app.http.jobs.fake import FakeJobs
from tests.serve_app.http.stub import StubGateway

INPUT: dict[str, Any] = {"input": {"prompt": "Good morning."}}


async def nothing(job_input: Any) -> Any:
    """Work that is done."""
    yield JobResult({})


@pytest.fixture
def stranger(url: str, jobs: FakeJobs) -> Any:
    with httpx.Client(base_url=f"{url}/v2/classify", verify=False) as client:
        yield client


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY}"},
        {"authorization": KEY},
        {"x-api-key": KEY},
        {"x-api-key": f"Bearer {KEY}"},
        {"authorization": "Bearer wrong", "x-api-key": KEY},
    ],
)
def test_headers(stranger: httpx.Client, headers: dict[str, str]) -> None:
    assert stranger.get("/health", headers=headers).status_code == 200
    assert stranger.post("/run", headers=headers, json=INPUT).status_code == 200


@pytest.mark.parametrize("name", ["api_key", "Authorization"])
@pytest.mark.parametrize("value", [KEY, f"Bearer {KEY}"])
def test_the_query(stranger: httpx.Client, name: str, value: str) -> None:
    assert stranger.get("/health", params={name: value}).status_code == 200
    assert stranger.post("/run", params={name: value}, json=INPUT).status_code == 200


@pytest.mark.parametrize("name", ["api_key", "Authorization"])
@pytest.mark.parametrize("value", [KEY, f"Bearer {KEY}"])
def test_the_body_and_what_becomes_of_it(stranger: httpx.Client, jobs: FakeJobs, name: str, value: str) -> None:
    answer = stranger.post("/run", json={**INPUT, name: value})
    assert answer.status_code == 200
    assert "x-ignored-fields" not in answer.headers
    assert KEY not in repr(jobs.requests[jobs.only.id])
    jobs.work = nothing
    assert stranger.post("/openai/v1/moderations", json={"input": "a", name: value}).status_code == 200
    assert stranger.get("/openai/v1/models", params={name: value, "limit": 3}).status_code == 200
    assert "limit=3" in repr(list(jobs.requests.values()))
    assert KEY not in repr(list(jobs.requests.values()))


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"headers": {"authorization": "Bearer"}},
        {"headers": {"authorization": "Bearer wrong"}},
        {"headers": {"authorization": "wrong"}},
        {"headers": {"authorization": f"Basic {KEY}"}},
        {"headers": {"x-api-key": "wrong"}},
        {"params": {"api_key": "wrong"}},
        {"params": {"apikey": KEY}},
        {"params": {"API_KEY": KEY}},
        {"params": {"api_key": ""}},
        {"json": {**INPUT, "api_key": "wrong"}},
        {"json": {**INPUT, "api_key": [KEY]}},
        {"json": {"input": {"api_key": KEY}}},
        {"json": {**INPUT, "api_key": KEY}, "headers": {"authorization": "wrong"}},
        {"json": [{"api_key": KEY}]},
        {"content": b'{"api_key": "the-key"'},
        {"content": b"\xff"},
        {"content": b"[" * 100_000},
        {"content": b""},
    ],
)
def test_everybody_else(stranger: httpx.Client, jobs: FakeJobs, sent: dict[str, Any]) -> None:
    for path in ("/run", "/nothing", "/openai/v1/moderations"):
        answer = stranger.post(path, **sent)
        sentence(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert KEY not in answer.text
    assert not jobs.jobs


def test_large_bodies_are_not_searched(stranger: httpx.Client, jobs: FakeJobs) -> None:
    for size, status in ((100_000, 200), (1024**2, 401)):
        body = {"api_key": KEY, "input": {"blob": "x" * size}}
        answer = stranger.post("/runsync", params={"wait": 1000}, json=body)
        assert answer.status_code == status, size
    assert "1048576 bytes" in sentence(answer, 401)
    assert len(jobs.jobs) == 1


async def test_a_body_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "BODY_S", 0.05)
    app = create_app(StubGateway(), HttpConfig(), ApiKeys([KEY]), jobs=FakeJobs(), jobs_config=JobsConfig())
    call = AsgiCall(app, "/v2/classify/run").start()
    call.feed(json.dumps(INPUT).encode(), more=True)
    assert (await call.finished())[0]["status"] == 401


async def test_nobody_reads_the_body_of_a_stranger_with_a_wrong_key() -> None:
    app = create_app(StubGateway(), HttpConfig(), ApiKeys([KEY]), jobs=FakeJobs(), jobs_config=JobsConfig())
    call = AsgiCall(app, "/v2/classify/run", headers={"authorization": "wrong"}).start()
    assert (await call.finished())[0]["status"] == 401


def test_other_routes_want_a_bearer(url: str) -> None:
    for sent in (
        {"headers": {"authorization": KEY}},
        {"headers": {"x-api-key": KEY}},
        {"params": {"api_key": KEY}},
    ):
        answer = httpx.get(f"{url}/v1/models", **sent)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    answer = httpx.post(f"{url}/v1/classify", json={"input": "a", "api_key": KEY})
    assert answer.status_code == 401


def test_a_server_without_keys_takes_everybody() -> None:
    from tests.serve_app.http.server import serving

    app = create_app(StubGateway(), HttpConfig(), ApiKeys(), jobs=FakeJobs(), jobs_config=JobsConfig())
    with serving(app) as url:
        for headers in ({}, {"authorization": "Bearer anything"}, {"authorization": "anything"}):
            assert httpx.get(f"{url}/v2/classify/health", headers=headers).status_code == 200
