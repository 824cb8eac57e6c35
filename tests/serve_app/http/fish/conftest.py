"""A served application with a stub of speech, and the clients of ``fish-audio-sdk`` to it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from fish_audio_sdk import Session, WebSocketSession
from fishaudio import AsyncFishAudio, FishAudio

from tests.serve_app.http.fish.support import KEY
from tests.serve_app.http.server import serving
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.stub import SCRIPT, app_of


class Server:
    """A gateway that can be hindered, and the address at which it is served."""

    def __init__(self, gateway: SpeakingGateway, url: str) -> None:
        self.gateway, self.url = gateway, url


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    gateway = SpeakingGateway()
    with serving(app_of(gateway, keys=[KEY])) as url:
        yield Server(gateway, url)


@pytest.fixture
def server(shared: Server) -> Server:
    shared.gateway.hindrances = {}
    shared.gateway.library = {}
    shared.gateway.script = SCRIPT
    shared.gateway.closed = 0
    for kept in (shared.gateway.speech_requests, shared.gateway.references, shared.gateway.requests):
        kept.clear()
    shared.gateway.uploads.clear()
    return shared


@pytest.fixture(scope="module")
def only_client(shared: Server) -> Iterator[FishAudio]:
    with FishAudio(api_key=KEY, base_url=shared.url) as client:
        yield client


@pytest.fixture
def client(server: Server, only_client: FishAudio) -> FishAudio:
    return only_client


@pytest.fixture
async def async_client(server: Server) -> AsyncIterator[AsyncFishAudio]:
    async with AsyncFishAudio(api_key=KEY, base_url=server.url) as client:
        yield client


@pytest.fixture(scope="module")
def only_legacy(shared: Server) -> Iterator[Session]:
    with Session(KEY, base_url=shared.url) as session:
        yield session


@pytest.fixture
def legacy(server: Server, only_legacy: Session) -> Session:
    return only_legacy


@pytest.fixture
def legacy_live(server: Server) -> Iterator[WebSocketSession]:
    with WebSocketSession(KEY, base_url=server.url) as session:
        yield session
