"""Live speech with ``fish-audio-sdk`` against the application behind a real server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import httpx_ws
import pytest
from fish_audio_sdk import AsyncWebSocketSession, TTSRequest, WebSocketErr, WebSocketSession
from fishaudio import AsyncFishAudio, FishAudio
from fishaudio.exceptions import WebSocketError
from fishaudio.types import FlushEvent

from deployments.errors import Overloaded
from tests.serve_app.http.fish.conftest import Server
from tests.serve_app.http.fish.support import KEY
from tests.serve_app.http.fish.test_sdk import HELLO
from tests.serve_app.http.fish.test_sdk import heard as heard_with_seed
from tests.serve_app.http.server import wait_until

WORDS = ("Hello, ", "world! ", "How ", "are you?")


def heard(audio: bytes, server: Server) -> None:
    """Audio that says HELLO with the seed that was drawn for the session."""
    heard_with_seed(audio, seed=server.gateway.spoken.sampling.seed or 0)


def words() -> Iterator[str]:
    yield from WORDS


async def async_words() -> AsyncIterator[str]:
    for word in WORDS:
        yield word


@pytest.mark.parametrize("kind", ["mp3", "wav", "opus"])
def test_text_that_comes_in_words(client: FishAudio, server: Server, kind: str) -> None:
    heard(b"".join(client.tts.stream_websocket(words(), format=kind)), server)  # type: ignore[arg-type]
    request = server.gateway.spoken
    assert (request.text, request.model) == (HELLO, "s2-pro")


def test_flushing(client: FishAudio, server: Server) -> None:
    parts = client.tts.stream_websocket(iter(["Hello,", FlushEvent(), " world!"]), speed=2.0)
    assert sum(map(len, parts)) > 1_000
    asked = server.gateway.speech_requests
    assert " ".join(one.text for one in asked) == "Hello, world!"
    assert {one.speed for one in asked} == {2.0}


def test_audio_comes_before_the_text_ends(client: FishAudio, server: Server) -> None:
    """The text goes on only once audio is there."""
    heard_already = []

    def talk() -> Iterator[str | FlushEvent]:
        yield "One, two, three."
        yield FlushEvent()
        wait_until(lambda: heard_already)
        yield "Four."

    heard_already.extend(client.tts.stream_websocket(talk(), format="pcm"))
    assert [one.text for one in server.gateway.speech_requests] == ["One, two, three.", "Four."]


async def test_asynchronously(async_client: AsyncFishAudio, server: Server) -> None:
    parts = [part async for part in async_client.tts.stream_websocket(async_words())]
    heard(b"".join(parts), server)
    assert server.gateway.spoken.text == HELLO


def test_the_older_interface(legacy_live: WebSocketSession, server: Server) -> None:
    heard(b"".join(legacy_live.tts(TTSRequest(text=""), words())), server)
    assert server.gateway.spoken.model == "speech-1.5"


async def test_the_older_interface_asynchronously(server: Server) -> None:
    async with AsyncWebSocketSession(KEY, base_url=server.url) as session:
        request = TTSRequest(text="", format="wav")
        heard(b"".join([part async for part in session.tts(request, async_words())]), server)


def test_failures(client: FishAudio, legacy_live: WebSocketSession, server: Server) -> None:
    server.gateway.hindrances = {1: Overloaded("Full.", retry_after_s=1)}
    with pytest.raises(WebSocketError):
        list(client.tts.stream_websocket(words()))
    with pytest.raises(WebSocketErr):
        list(legacy_live.tts(TTSRequest(text="", reference_id="nobody"), words()))
    assert server.gateway.speaking == 0


def test_strangers(server: Server) -> None:
    """The handshake is answered as a request would be."""
    stranger = FishAudio(api_key="wrong", base_url=server.url)
    with stranger, pytest.raises(httpx_ws.WebSocketUpgradeError) as refused:
        list(stranger.tts.stream_websocket(words()))
    assert refused.value.response.status_code == 401
    assert server.gateway.speech_requests == []


async def test_clients_that_leave_stop_the_work(async_client: AsyncFishAudio, server: Server) -> None:
    server.gateway.hindrances = {2: asyncio.Event()}
    stream = async_client.tts.stream_websocket(async_words(), format="pcm")
    assert len(await anext(stream)) > 1_000
    assert (server.gateway.speaking, server.gateway.closed) == (1, 0)
    with contextlib.suppress(BaseExceptionGroup):  # the client's own, about its end
        await stream.aclose()
    await asyncio.to_thread(wait_until, lambda: server.gateway.closed == 1)
    assert server.gateway.speaking == 0
