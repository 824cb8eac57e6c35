"""The job API of fake jobs behind a real server."""

from collections.abc import Iterator

import httpx
import pytest

from serve_app.config.app import HttpConfig
from serve_app.config.jobs import JobsConfig
from serve_app.http.app import create_app
from serve_app.keys import ApiKeys
from tests.serve_app.http.jobs.fake import FakeJobs
from tests.serve_app.http.server import serving
from tests.serve_app.http.stub import StubGateway

KEY = "the-key"
CONFIG = JobsConfig(run_bytes=10_000, runsync_bytes=200_000, rate_limits=False)


@pytest.fixture(scope="module")
def shared() -> FakeJobs:
    return FakeJobs()


@pytest.fixture
def jobs(shared: FakeJobs) -> FakeJobs:
    shared.reset()
    return shared


@pytest.fixture(scope="module")
def url(shared: FakeJobs) -> Iterator[str]:
    """The base URL of a server with a key."""
    app = create_app(StubGateway(), HttpConfig(), ApiKeys([KEY]), jobs=shared, jobs_config=CONFIG)
    with serving(app) as url:
        yield url


@pytest.fixture
def client(url: str, jobs: FakeJobs) -> Iterator[httpx.Client]:
    """A client of the classifier's endpoint that has the key."""
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=f"{url}/v2/classify", headers=headers, timeout=20, verify=False) as client:
        yield client


def sentence(response: httpx.Response, status: int) -> str:
    """The error of a refusal, in the plain shape or OpenAI's; nothing of our insides is in it."""
    assert response.status_code == status, response.text
    assert list(response.json()) == ["error"]
    found = response.json()["error"]
    if "/openai/" in str(response.url):
        found = found["message"]
    assert found[0].isupper() or found[0] in "`/"
    assert found.endswith("."), found
    assert "Traceback" not in response.text
    assert ".py" not in response.text
    return str(found)
