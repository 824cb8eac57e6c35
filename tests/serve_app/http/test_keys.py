"""Who is let in."""

import pytest

from deployments.errors import AuthenticationFailed
from serve_app.keys import ApiKeys
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.stub import PATH, WAV, StubGateway, app_of, client_of

KEYS = ("first-key", "zweiter-schlüssel")


@pytest.mark.parametrize(
    "header", ["Bearer first-key", "bearer first-key", "BEARER  first-key ", "Bearer zweiter-schlüssel"]
)
async def test_known_keys(header: str) -> None:
    async with client_of(app_of(StubGateway(), keys=KEYS)) as client:
        response = await client.post(PATH, files={"file": WAV}, headers={"authorization": header.encode()})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "first-key", "Basic first-key", "Bearer first-ke", "Bearer first-key2"],
)
async def test_everybody_else(header: str | None) -> None:
    gateway = StubGateway()
    headers = {} if header is None else {"authorization": header}
    async with client_of(app_of(gateway, keys=KEYS)) as client:
        for response in (
            await client.post(PATH, files={"file": WAV}, headers=headers),
            await client.get("/v1/models", headers=headers),
            await client.get("/v1/nothing", headers=headers),
        ):
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.headers["x-should-retry"] == "false"
            assert response.headers["x-request-id"]
            assert response.json()["error"]["code"] == "invalid_api_key"
    assert not gateway.requests


async def test_probes_and_pages_are_open() -> None:
    async with client_of(app_of(StubGateway(), keys=KEYS)) as client:
        for path in ("/healthz", "/readyz", "/ping", "/", "/docs", "/openapi.json"):
            assert (await client.get(path)).status_code == 200
    for path in ("/v1/models/../../healthz", "/Healthz", "/healthz/x", "/./healthz"):
        call = AsgiCall(app_of(StubGateway(), keys=KEYS), path, method="GET").start()
        assert (await call.finished())[0]["status"] == 401


async def test_open_paths_below_a_prefix() -> None:
    for path, status in (("/voice/healthz", 200), ("/voice/v1/models", 401)):
        call = AsgiCall(app_of(StubGateway(), keys=KEYS), path, method="GET", root_path="/voice").start()
        call.feed(b"")
        assert (await call.finished())[0]["status"] == status


async def test_nobody_reads_the_body_of_a_stranger() -> None:
    call = AsgiCall(app_of(StubGateway(), keys=KEYS), headers={"content-length": "10"}).start()
    assert (await call.sent())["status"] == 401
    assert b"invalid_api_key" in (await call.sent())["body"]
    call.leave()
    await call.finished()


async def test_websockets_are_closed() -> None:
    call = AsgiCall(app_of(StubGateway(), keys=KEYS), "/v1/realtime", type="websocket").start()
    (message,) = await call.finished()
    assert (message["type"], message["code"]) == ("websocket.close", 1008)


def test_keys_from_the_environment() -> None:
    keys = ApiKeys.from_environment({"ANTIPHON_API_KEYS": " a, b ,,"})
    keys.check(b"Bearer a")
    keys.check(b"Bearer b")
    with pytest.raises(AuthenticationFailed):
        keys.check(b"Bearer ")
    ApiKeys.from_environment({}).check(None)
    for mistake in ("", " , "):
        with pytest.raises(ValueError, match="holds no key"):
            ApiKeys.from_environment({"ANTIPHON_API_KEYS": mistake})


def test_keys_are_not_kept() -> None:
    assert b"first-key" not in b"".join(vars(ApiKeys(KEYS))["_digests"])
