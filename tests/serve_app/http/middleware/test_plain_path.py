"""Slashes too many: the same route, behind the same checks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.config.app import HttpConfig
from serve_app.config.jobs import JobsConfig
from serve_app.http.app import create_app
from serve_app.keys import ApiKeys
from serve_app.slashes import without_surplus
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.jobs.fake import FakeJobs
from tests.serve_app.http.stub import PATH, WAV, StubGateway, app_of, client_of, message

KEY = "the-key"


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/", "/"),
        ("//", "/"),
        ("", "/"),
        ("//v1///models//", "/v1/models"),
        ("/v1/audio/transcriptions/", "/v1/audio/transcriptions"),
        ("/v1/models/s3://bucket//folder", "/v1/models/s3://bucket/folder"),
        ("/a/./b/../c", "/a/./b/../c"),
    ],
)
def test_surplus_slashes(path: str, plain: str) -> None:
    assert without_surplus(path) == plain


@given(st.text("/v:.a ", max_size=30))
def test_any_path(path: str) -> None:
    plain = without_surplus(path)
    assert without_surplus(plain) == plain
    assert plain.replace("/", "") == path.replace("/", "")
    assert plain == "/" or not plain.endswith("/")


@pytest.mark.parametrize("path", ["/v1//audio/transcriptions", f"/{PATH}", f"{PATH}/", f"//v1/{PATH[4:]}///"])
async def test_a_base_url_that_ends_in_a_slash(path: str) -> None:
    gateway = StubGateway()
    async with client_of(app_of(gateway)) as client:
        answer = await client.post(f"http://test{path}", files={"file": WAV})
        listing = (await client.get("http://test//v1/models/")).json()
    assert (answer.status_code, listing["object"]) == (200, "list")
    assert gateway.requests


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *(("//v1/models", 401), ("/v1//models/", 401), ("//healthz//v1", 401), ("/healthz/../v1/models", 401)),
        *(("//v2//classify//run", 401), ("/v1/tts/", 401), ("/%2f", 401)),
        *(("//healthz", 200), ("/readyz/", 200), ("//", 200), ("//docs//", 200)),
    ],
)
async def test_no_way_around_the_keys(path: str, status: int) -> None:
    call = AsgiCall(app_of(StubGateway(), keys=[KEY]), path, method="GET").start()
    call.feed(b"")
    assert (await call.finished())[0]["status"] == status


async def test_no_way_around_the_limit_of_bodies() -> None:
    async with client_of(app_of(StubGateway(), upload_bytes=100)) as client:
        answer = await client.post("http://test//v1//audio/transcriptions/", files={"file": ("a", bytes(101))})
    assert answer.status_code == 413
    assert "100 bytes" in message(answer)


async def test_below_a_prefix() -> None:
    for path in ("/voice//v1/models/", "/voice/v1/models", "/voice//"):
        call = AsgiCall(app_of(StubGateway()), path, method="GET", root_path="/voice").start()
        assert (await call.finished())[0]["status"] == 200


async def test_errors_keep_the_shape_of_their_api() -> None:
    async with client_of(app_of(StubGateway(), keys=[KEY])) as client:
        fish: Any = (await client.post("http://test//v1//tts/", json={})).json()
        job: Any = (await client.post("http://test//v2//classify/run/", json={})).json()
    assert fish.keys() == {"statusCode", "message", "error"}
    assert job.keys() == {"error"}


async def test_no_way_around_the_rates() -> None:
    app = create_app(StubGateway(), HttpConfig(), ApiKeys(), jobs=FakeJobs(), jobs_config=JobsConfig())
    async with client_of(app) as client:
        paths = ("/v2/classify/purge-queue", "//v2//classify/purge-queue", "/v2/classify//purge-queue///")
        statuses = [(await client.post(f"http://test{path}")).status_code for path in paths]
    assert statuses == [200, 200, 429]
