"""Web pages of other origins."""

import re
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.types import ASGIApp

from serve_app.config.app import HttpConfig
from serve_app.config.jobs import JobsConfig
from serve_app.http.app import create_app
from serve_app.http.middleware.cors import EXPOSED
from serve_app.http.openapi import openapi
from serve_app.keys import ApiKeys
from tests.serve_app.http.jobs.fake import FakeJobs
from tests.serve_app.http.stub import PATH, WAV, StubGateway, client_of

PAGE = "https://app.example.org"
ASKING = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
PATHS = (
    PATH,
    "/v1/models",
    "/v1/audio/speech",
    "/v1/audio/voices",
    "/v1/tts",
    "/v1/moderations",
    "/v2/classify/run",
)


def app_for(*origins: str, gateway: StubGateway | None = None) -> ASGIApp:
    config = HttpConfig(cors_origins=origins)
    jobs = {"jobs": FakeJobs(), "jobs_config": JobsConfig()}
    return create_app(gateway or StubGateway(), config, ApiKeys(["the-key"]), **jobs)  # type: ignore[arg-type]


def granted(answer: Any) -> dict[str, str]:
    prefix = "access-control-"
    return {name.removeprefix(prefix): value for name, value in answer.headers.items() if name.startswith(prefix)}


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_by_default(path: str) -> None:
    async with client_of(app_for()) as client:
        asked = await client.options(path, headers={"origin": PAGE, **ASKING})
        sent = await client.get("/healthz", headers={"origin": PAGE})
    assert asked.status_code in (401, 405)
    assert not granted(asked) | granted(sent)


@pytest.mark.parametrize("path", PATHS)
async def test_the_preflight_comes_before_the_key(path: str) -> None:
    async with client_of(app_for(PAGE.upper(), "http://localhost:3000")) as client:
        asked = await client.options(path, headers={"origin": PAGE, **ASKING})
        stranger = await client.options(path, headers={"origin": "https://example.com", **ASKING})
    assert asked.status_code == 200
    assert granted(asked) == {
        "allow-origin": PAGE,
        "allow-methods": "GET, POST, PUT, PATCH, DELETE",
        "allow-headers": "authorization,content-type",
        "max-age": "600",
    }
    assert "Origin" in asked.headers["vary"]
    assert stranger.status_code == 400
    assert "allow-origin" not in granted(stranger)


async def test_answers_and_errors_can_be_read() -> None:
    gateway = StubGateway([RuntimeError("a bug")])
    headers = {"origin": PAGE, "authorization": "Bearer the-key"}
    async with client_of(app_for(PAGE, gateway=gateway), headers=headers) as client:
        answers = [
            await client.get("/v1/models"),
            await client.get("/v1/nothing"),
            await client.get("/v1/models", headers={"authorization": ""}),
            await client.post(PATH, files={"file": WAV}),
        ]
        stranger = await client.get("/v1/models", headers={"origin": "https://example.com"})
    assert [answer.status_code for answer in answers] == [200, 404, 401, 500]
    for answer in answers:
        assert granted(answer) == {"allow-origin": PAGE, "expose-headers": ", ".join(EXPOSED)}
        assert answer.headers["vary"] == "Origin"
    assert "allow-origin" not in granted(stranger)


@pytest.mark.parametrize("cookie", [{}, {"cookie": "a=b"}])
async def test_any_origin_is_without_credentials(cookie: dict[str, str]) -> None:
    async with client_of(app_for("*")) as client:
        asked = await client.options(PATH, headers={"origin": PAGE, **ASKING, **cookie})
        sent = await client.get("/healthz", headers={"origin": PAGE, **cookie})
    assert granted(asked)["allow-origin"] == "*"
    assert "allow-credentials" not in granted(asked) | granted(sent)


async def test_a_page_in_the_internet_and_a_server_at_home() -> None:
    async with client_of(app_for(PAGE)) as client:
        asked = await client.options(
            PATH, headers={"origin": PAGE, **ASKING, "access-control-request-private-network": "true"}
        )
    assert granted(asked)["allow-private-network"] == "true"


@pytest.mark.parametrize(
    "origin", ["null", "", "app.example.org", f"{PAGE}/", f"{PAGE}/x", "https://*.example.org"]
)
def test_what_is_no_origin(origin: str) -> None:
    with pytest.raises(ValidationError, match="is no origin such as"):
        HttpConfig(cors_origins=(origin,))


def test_every_documented_header_is_exposed() -> None:
    """Headers of answers in the OpenAPI document, wherever somebody adds one."""
    document = openapi("0", jobs=True)
    headers = {
        name
        for methods in document["paths"].values()
        for operation in methods.values()
        for answer in operation["responses"].values()
        for name in answer.get("headers", {})
    }
    assert {name.lower() for name in headers} <= {name.lower() for name in EXPOSED}
    assert all(re.fullmatch(r"[A-Za-z-]+", name) for name in EXPOSED)
