"""What is sent in the query: read where the hosted API reads it, else named."""

import pytest
from starlette.types import ASGIApp

from serve_app.config.app import HttpConfig
from serve_app.config.jobs import JobsConfig
from serve_app.http.app import create_app
from serve_app.keys import ApiKeys
from tests.serve_app.http.jobs.fake import FakeJobs
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.stub import PATH, WAV, StubGateway, app_of, client_of

HEADER = "x-ignored-fields"


@pytest.fixture
def app() -> ASGIApp:
    return create_app(SpeakingGateway(), HttpConfig(), ApiKeys(), jobs=FakeJobs(), jobs_config=JobsConfig())


async def test_options_of_a_form() -> None:
    async with client_of(app_of(StubGateway())) as client:
        answer = await client.post(f"{PATH}?response_format=text&language=xx", files={"file": WAV})
        both = await client.post(f"{PATH}?api-version=1&b%20c", files={"file": WAV}, data={"wish": "a"})
        refused = await client.post(f"{PATH}?api-version=1", data={"language": "en"})
        none = await client.post(f"{PATH}?", files={"file": WAV})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers[HEADER] == "response_format, language"
    assert both.headers[HEADER] == "wish, api-version, b%20c"
    assert (refused.status_code, refused.headers[HEADER]) == (400, "api-version")
    assert HEADER not in none.headers


@pytest.mark.parametrize(
    ("method", "path", "ignored"),
    [
        ("GET", "/v1/models?limit=3", "limit"),
        ("GET", "/v1/audio/voices?limit=3&after=&model=sample-tts&order=asc", "order"),
        ("GET", "/v1/audio/voices/nobody?model=sample-tts&limit=1", "limit"),
        ("GET", "/model?page_size=1&self=true&tag=a&tag=b&sort_by=created_at&x=1", "x"),
        ("GET", "/v1/references/list?format=json&model=sample-tts&y", "y"),
        ("GET", "/v2/classify/requests?limit=1&api_key=a&Authorization=b&offset=2", "offset"),
        ("GET", "/v2/classify/status/nothing?ttl=60000&wait=1000", "wait"),
        ("GET", "/v2/classify/batch/nothing/requests?offset=0&limit=1&page=2", "page"),
        ("GET", "/v1/nothing?a=b", None),
        ("GET", "/healthz?now=1", "now"),
    ],
)
async def test_every_route_knows_its_own(app: ASGIApp, method: str, path: str, ignored: str | None) -> None:
    async with client_of(app) as client:
        assert (await client.request(method, path)).headers.get(HEADER) == ignored


async def test_a_hostile_query(app: ASGIApp) -> None:
    async with client_of(app) as client:
        many = await client.get("/v1/models?" + "&".join(f"n{number}" for number in range(90)))
        far_too_many = await client.get("/v1/models?" + "&".join(f"n{number}" for number in range(3_000)))
        odd = await client.get("/v1/models?%00%0d%0aX-Evil:%20a=%ff&" + "a" * 5_000)
    assert len(many.headers[HEADER].split(", ")) == 32
    assert HEADER not in far_too_many.headers
    assert odd.headers[HEADER].startswith("%00%0D%0AX-Evil:%20a, a")
    assert len(odd.headers[HEADER]) < 200
    assert "x-evil" not in odd.headers
