"""Speech by the ``openai`` package, synchronous and asynchronous, over a real connection."""

import asyncio
import base64
import contextlib
import io
import json
import socket
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from deployments import errors
from deployments.fish_speech.types import SpeechEvent, SpeechRequest, Voice, VoiceDetails
from media.decode import RawPcm
from media.encode import AudioFormat
from serve_app.fields.audio import Upload
from tests.media.sound import correlation, decoded
from tests.serve_app.http.conftest import KEY, Server
from tests.serve_app.http.server import serving, wait_until
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.speech_stub import CHUNK, RATE, tone
from tests.serve_app.http.stub import app_of

TEXT = "The birch canoe slid on the smooth planks."
FORMATS: tuple[AudioFormat, ...] = get_args(AudioFormat)


class CountingGateway(SpeakingGateway):
    """Counts what was made."""

    made = 0

    async def speak(
        self, request: SpeechRequest, references: Sequence[Upload] = ()
    ) -> AsyncGenerator[SpeechEvent]:
        async with contextlib.aclosing(super().speak(request, references)) as events:
            async for event in events:
                self.made += 1
                yield event


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    gateway = CountingGateway()
    with serving(app_of(gateway, keys=[KEY])) as url:
        yield Server(gateway, url)


@pytest.fixture
def server(shared: Server) -> Server:
    gateway = shared.gateway
    gateway.hindrances = {}
    gateway.speech_requests.clear()
    gateway.library.clear()
    gateway.closed = 0
    return shared


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format(client: OpenAI, server: Server, kind: AudioFormat, tmp_path: Path) -> None:
    answer = client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT, response_format=kind)
    rate = 24_000 if kind == "pcm" else RATE
    said = tone(server.gateway.spoken, rate)
    answer.write_to_file(tmp_path / "speech")
    data = (tmp_path / "speech").read_bytes()
    sound = decoded(data, rate, raw=RawPcm(rate) if kind == "pcm" else None)
    assert said.size <= sound.size <= said.size + (4_000 if kind in ("aac", "mp3") else 0)
    assert correlation(sound, said) > 0.98


def test_the_default_is_mp3(client: OpenAI) -> None:
    answer = client.audio.speech.create(model="gpt-4o-mini-tts", voice="verse", input=TEXT)
    assert answer.response.headers["content-type"] == "audio/mpeg"
    assert answer.content[0] == 0xFF


def test_the_client_s_options(client: OpenAI, server: Server) -> None:
    server.gateway.library["anna"] = Voice("anna", ("Hello.",), VoiceDetails(), 0.0, 0.0)
    client.audio.speech.create(
        model="sample-tts",
        voice={"id": "anna"},
        input=TEXT,
        speed=1.5,
        response_format="pcm",
        extra_body={"temperature": 0.3, "seed": 7, "sample_rate": 8_000},
    )
    request = server.gateway.spoken
    assert (request.voice, request.speed, request.sample_rate) == ("anna", 1.5, 8_000)
    assert (request.sampling.temperature, request.sampling.seed) == (0.3, 7)


def test_sound_is_played_while_the_rest_is_made(client: OpenAI, server: Server) -> None:
    gate = asyncio.Event()
    server.gateway.hindrances = {2: gate}
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=TEXT, response_format="pcm"
    ) as response:
        assert response.headers["x-seed"] == "0"
        chunks = response.iter_bytes(2 * CHUNK)
        first = next(chunks)
        assert server.gateway.speaking == 1  # it still waits at the gate
        wait_until(lambda: gate._waiters)  # type: ignore[attr-defined]
        gate._loop.call_soon_threadsafe(gate.set)  # type: ignore[attr-defined]
        data = first + b"".join(chunks)
    said = np.rint(tone(server.gateway.spoken, 24_000) * 32_768).astype("<i2")
    np.testing.assert_array_equal(np.frombuffer(data, "<i2"), said)


async def test_asynchronous_streams_of_many_users(async_client: AsyncOpenAI, server: Server) -> None:
    async def spoken(number: int) -> bytes:
        data = io.BytesIO()
        async with async_client.audio.speech.with_streaming_response.create(
            model="tts-1",
            voice="alloy",
            input=f"Text {number}.",
            response_format="pcm",
            extra_body={"seed": number},
        ) as response:
            async for chunk in response.iter_bytes():
                data.write(chunk)
        return data.getvalue()

    found = await asyncio.gather(*map(spoken, range(10)))
    for request in server.gateway.speech_requests:
        said = np.rint(tone(request, 24_000) * 32_768).astype("<i2")
        seed = request.sampling.seed
        assert seed is not None
        np.testing.assert_array_equal(np.frombuffer(found[seed], "<i2"), said)


def test_server_sent_events(client: OpenAI) -> None:
    """The package has no reader for them, but asks for them."""
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=TEXT, response_format="pcm", stream_format="sse"
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    *messages, end = lines
    *deltas, done = map(json.loads, messages)
    data = b"".join(base64.b64decode(delta["audio"]) for delta in deltas)
    whole = client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT, response_format="pcm")
    assert data == whole.content
    assert (done["type"], done["usage"]["input_tokens"], end) == ("speech.audio.done", len(TEXT), "[DONE]")


@pytest.mark.parametrize(
    ("arguments", "kind", "param"),
    [
        ({"input": ""}, openai.BadRequestError, "input"),
        ({"voice": "nobody"}, openai.NotFoundError, "voice"),
        ({"speed": 9}, openai.BadRequestError, "speed"),
        ({"instructions": "Whisper."}, openai.BadRequestError, "instructions"),
        ({"response_format": "ogg"}, openai.BadRequestError, "response_format"),
        ({"model": "gpt-9"}, openai.NotFoundError, "model"),
        ({"model": "whisper-1"}, openai.BadRequestError, "model"),
    ],
)
def test_refusals(client: OpenAI, arguments: Any, kind: type[openai.APIStatusError], param: str) -> None:
    with pytest.raises(kind) as caught:
        client.audio.speech.create(**{"model": "tts-1", "voice": "alloy", "input": TEXT, **arguments})
    assert caught.value.param == param
    assert caught.value.request_id


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.Overloaded("Full.", retry_after_s=3), openai.RateLimitError),
        (errors.ModelUnavailable("Loading."), openai.InternalServerError),
        (errors.ContentRefused("Not nice.", param="text"), openai.BadRequestError),
        (RuntimeError("a bug"), openai.InternalServerError),
    ],
)
def test_failures(client: OpenAI, server: Server, error: Exception, kind: type[openai.APIStatusError]) -> None:
    server.gateway.hindrances = {0: error}
    with pytest.raises(kind) as caught:
        client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT)
    assert "a bug" not in str(caught.value)


def test_a_later_failure_is_never_half_a_speech(client: OpenAI, server: Server) -> None:
    server.gateway.hindrances = {2: errors.InternalError("It broke.")}
    with pytest.raises(openai.APIConnectionError):
        client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT, response_format="pcm")


def test_keys(client: OpenAI, server: Server) -> None:
    with pytest.raises(openai.AuthenticationError):
        client.audio.speech.create(
            model="tts-1", voice="alloy", input=TEXT, extra_headers={"Authorization": "Bearer wrong"}
        )
    assert not server.gateway.speech_requests


def test_a_listener_who_leaves_stops_the_work(client: OpenAI, server: Server) -> None:
    server.gateway.hindrances = {1: asyncio.Event()}
    with (
        contextlib.suppress(Exception),
        client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input=TEXT, response_format="pcm"
        ) as response,
    ):
        next(response.iter_bytes(100))
        assert server.gateway.speaking == 1
    wait_until(lambda: server.gateway.closed == 1)
    assert server.gateway.speaking == 0


def test_what_nobody_listens_to_is_not_made(client: OpenAI, server: Server) -> None:
    """The connection's buffers fill, and then the speech waits."""
    body = json.dumps({"input": "x" * 8_000, "response_format": "pcm"}).encode()  # 400 s, 19 MB
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        connection.recv(1_000)
        made = -1
        while made != server.gateway.made:
            made = server.gateway.made
            client.models.list()
        assert server.gateway.speaking == 1
    wait_until(lambda: server.gateway.closed == 1)
