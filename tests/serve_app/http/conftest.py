"""A served application, and the ``openai`` package's clients to it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.serve_app.http.server import serving
from tests.serve_app.http.stub import SCRIPT, StubGateway, app_of

KEY = "the-key"


class Server:
    """A gateway that tests change, and the address at which it is served."""

    def __init__(self, gateway: Any, url: str) -> None:
        self.gateway, self.url = gateway, url


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    gateway = StubGateway()
    with serving(app_of(gateway, keys=[KEY], upload_bytes=3_000_000)) as url:
        yield Server(gateway, url)


@pytest.fixture
def server(shared: Server) -> Server:
    shared.gateway.script = SCRIPT
    shared.gateway.hindrances = ()
    shared.gateway.requests.clear()
    shared.gateway.questions.clear()
    shared.gateway.uploads.clear()
    shared.gateway.closed = 0
    return shared


@pytest.fixture(scope="module")
def only_client(shared: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{shared.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def client(server: Server, only_client: OpenAI) -> OpenAI:
    return only_client


@pytest.fixture
async def async_client(server: Server) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client
