"""``fish-audio-sdk``, both of its interfaces, against the real server: words, streams, live speech, errors."""

import asyncio
import base64
import contextlib
import io
import json
import time
from collections.abc import AsyncIterator, Iterator
from difflib import SequenceMatcher
from typing import Any

import httpx
import numpy as np
import ormsgpack
import pytest
from fish_audio_sdk import Session, TTSRequest
from fishaudio import AsyncFishAudio, FishAudio, TTSConfig
from fishaudio.exceptions import APIError, NotFoundError, WebSocketError
from fishaudio.types import FlushEvent, Prosody

from media.decode import probe
from tests.e2e.conftest import Server
from tests.serving import ROOT, WEB, wait_until

HELLO = "hello yellow water"
TEXTS = (HELLO, "seven two nine", "window water winter", "open table red", "four zero eight")
SLT = ROOT / "samples" / "tts" / "voices" / "slt"
RECORDING = (SLT / "hello.wav").read_bytes()
TRANSCRIPT = (SLT / "hello.lab").read_text().strip()
CALM = TTSConfig(temperature=0.3, repetition_penalty=1.0)
ENDLESS = "one two three four five six seven eight nine zero " * 12


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[FishAudio]:
    with FishAudio(api_key="unused", base_url=server.url) as client:
        yield client


@pytest.fixture
async def async_client(server: Server) -> AsyncIterator[AsyncFishAudio]:
    async with AsyncFishAudio(api_key="unused", base_url=server.url) as client:
        yield client


def understood(client: FishAudio, audio: bytes, text: str = HELLO) -> float:
    """The share of the words that the sample recogniser hears, in their order."""
    heard = client.asr.transcribe(audio=audio, language="en").text.split()
    said = text.split()
    return sum(block.size for block in SequenceMatcher(None, said, heard).get_matching_blocks()) / len(said)


def post(server: Server, path: str = "/v1/tts", **body: Any) -> httpx.Response:
    return WEB.post(f"{server.url}{path}", json={"seed": 1, **body}, timeout=60)


def seconds(audio: bytes) -> float:
    duration = probe(io.BytesIO(audio)).duration_s
    assert duration is not None
    return duration


def test_its_defaults_say_the_words(client: FishAudio) -> None:
    shares = [understood(client, client.tts.convert(text=text, config=CALM), text) for text in TEXTS]
    assert sum(shares) / len(shares) > 0.7, shares


def test_every_format_says_the_same(client: FishAudio, server: Server) -> None:
    whole = {kind: post(server, text=HELLO, format=kind).content for kind in ("wav", "flac", "mp3", "opus", "aac")}
    lengths = {kind: seconds(audio) for kind, audio in whole.items()}
    for kind, audio in whole.items():
        assert lengths[kind] == pytest.approx(lengths["wav"], abs=0.15), lengths
        assert understood(client, audio) == understood(client, whole["wav"])
    pcm = post(server, text=HELLO, format="pcm").content
    assert whole["wav"][44:] == pcm
    assert post(server, text=HELLO, streaming=True).content[44:] == pcm
    assert post(server, text=HELLO, streaming=True).headers["x-seed"] == "1"


def test_tempo_and_loudness(server: Server) -> None:
    def sound(**prosody: float) -> np.ndarray[Any, np.dtype[np.float32]]:
        content = post(server, text=HELLO, format="pcm", prosody=prosody).content
        return np.frombuffer(content, "<i2").astype(np.float32)

    plain, fast, soft = sound(), sound(speed=2.0), sound(volume=-20.0)
    assert len(fast) == pytest.approx(len(plain) / 2, rel=0.1)
    assert np.abs(soft).max() == pytest.approx(np.abs(plain).max() / 10, rel=0.05)


def test_audio_comes_while_it_is_made(server: Server) -> None:
    """The first bytes are there when most of the speech has yet to be spoken."""
    text = " ".join(TEXTS)
    with Session("unused", base_url=server.url) as session:
        began = time.monotonic()
        sizes, times = [], []
        for chunk in session.tts(TTSRequest(text=text, format="pcm")):
            sizes.append(len(chunk))
            times.append(time.monotonic() - began)
    assert sizes[0] < sum(sizes) / 2
    assert times[0] < times[-1] / 2


def test_text_that_comes_in_words(client: FishAudio) -> None:
    words = iter(["hello ", "yellow", FlushEvent(), " water"])
    audio = b"".join(client.tts.stream_websocket(words, format="wav", config=CALM))
    assert audio[:4] == b"RIFF"
    assert understood(client, audio) > 0.5


async def test_live_speech_asynchronously(async_client: AsyncFishAudio) -> None:
    async def words() -> AsyncIterator[str]:
        for word in HELLO.split():
            yield f"{word} "

    parts = [part async for part in async_client.tts.stream_websocket(words(), speed=2.0)]
    assert sum(map(len, parts)) > 1_000


def test_failures_of_live_speech(client: FishAudio) -> None:
    with pytest.raises(WebSocketError):
        list(client.tts.stream_websocket(iter([HELLO]), reference_id="nobody"))


def test_times_of_words(server: Server) -> None:
    """As the hosted service sends them: parts of the file, and at last an alignment of the text's words."""
    answer = post(server, "/v1/tts/stream/with-timestamp", text="please turn the light on", format="opus")
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n") if line]
    audio = b"".join(base64.b64decode(event["audio_base64"]) for event in events)
    alignment = events[-1]["alignment"]
    words = alignment["segments"]
    assert [word["text"] for word in words] == ["please", "turn", "the", "light", "on"]
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert times[-1] <= alignment["audio_duration"] == pytest.approx(seconds(audio), abs=0.1)


async def test_clients_that_leave_free_their_slots(server: Server) -> None:
    def active() -> int:
        models = WEB.get(f"{server.url}/readyz").json()["models"]
        return int(models["sample-tts"]["active_requests"])

    body = {"text": ENDLESS, "format": "pcm"}
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        async with client.stream("POST", "/v1/tts", json=body) as response:
            chunks = response.aiter_bytes()
            await anext(chunks)
            await asyncio.to_thread(wait_until, lambda: active() == 1)
        await asyncio.to_thread(wait_until, lambda: active() == 0, 10)
    async with AsyncFishAudio(api_key="unused", base_url=server.url) as sdk:

        async def words() -> AsyncIterator[str]:
            yield ENDLESS
            await asyncio.Event().wait()

        stream = sdk.tts.stream_websocket(words(), format="pcm")
        await anext(stream)
        await asyncio.to_thread(wait_until, lambda: active() == 1)
        with contextlib.suppress(BaseExceptionGroup):  # the client's own, about its end
            await stream.aclose()
        await asyncio.to_thread(wait_until, lambda: active() == 0, 10)


def test_the_life_of_a_voice(client: FishAudio) -> None:
    assert [(one.id, one.visibility) for one in client.voices.list(title="slt").items] == [("slt", "public")]
    made = client.voices.create(title="Hello", voices=[RECORDING], tags=["test"])
    try:
        heard, said = made.samples[0].text.split(), TRANSCRIPT.split()
        assert SequenceMatcher(None, said, heard).ratio() > 0.7  # it was transcribed here
        assert [one.id for one in client.voices.list(tags="test").items] == [made.id]
        client.voices.update(made.id, title="Hallo")
        assert client.voices.get(made.id).title == "Hallo"
        assert len(client.tts.convert(text=HELLO, reference_id=made.id)) > 1_000
    finally:
        client.voices.delete(made.id)
    with pytest.raises(NotFoundError):
        client.tts.convert(text=HELLO, reference_id=made.id)
    with pytest.raises(APIError) as shipped:
        client.voices.delete("slt")
    assert shipped.value.status == 409


def test_references_of_the_newest_server(server: Server) -> None:
    def call(method: str, path: str, **content: Any) -> Any:
        answer = WEB.request(method, f"{server.url}/v1/references/{path}?format=json", **content).json()
        assert answer["success"], answer
        return answer

    files = {"audio": ("hello.wav", RECORDING, "audio/wav")}
    call("POST", "add", data={"id": "hello one", "text": TRANSCRIPT}, files=files)
    call("POST", "update", json={"old_reference_id": "hello one", "new_reference_id": "hello-2"})
    assert {"hello-2", "slt"} <= set(call("GET", "list")["reference_ids"])
    assert post(server, text=HELLO, reference_id="hello-2").status_code == 200
    call("DELETE", "delete", json={"reference_id": "hello-2"})
    assert "hello-2" not in call("GET", "list")["reference_ids"]


def test_codes_and_back(server: Server) -> None:
    def call(path: str, body: Any) -> httpx.Response:
        content, kind = ormsgpack.packb(body), {"content-type": "application/msgpack"}
        return WEB.post(f"{server.url}/v1/vqgan/{path}", content=content, headers=kind)

    tokens = ormsgpack.unpackb(call("encode", {"audios": [RECORDING]}).content)["tokens"]
    decoded = call("decode", {"tokens": tokens})
    (samples,) = (np.frombuffer(one, "<f2") for one in ormsgpack.unpackb(decoded.content)["audios"])
    rate = int(decoded.headers["x-sample-rate"])
    assert len(samples) / rate == pytest.approx(seconds(RECORDING), abs=0.05)
    assert np.abs(samples).max() > 0.05


def test_version_1_1_asks_in_its_way(server: Server) -> None:
    answer = post(server, "/v1/invoke", text=HELLO, speaker="slt", format="flac", temperature=0.3)
    assert (answer.status_code, answer.content[:4]) == (200, b"fLaC")


def test_a_full_queue(server: Server) -> None:
    """Some of many requests are told when to try again."""

    async def many() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=server.url, timeout=120) as client:
            body = {"text": HELLO, "model": "tight-tts"}
            return await asyncio.gather(*(client.post("/v1/tts", json=body) for _ in range(12)))

    answers = asyncio.run(many())
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 429}
    full = next(answer for answer in answers if answer.status_code == 429)
    assert int(full.headers["retry-after"]) >= 1
    assert full.json().keys() == {"statusCode", "message", "error"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": "..."}, 400),
        ({"text": "a" * 30_000}, 413),
        ({"text": "a", "reference_id": "../../etc"}, 404),
        ({"text": "a", "references": [{"audio": "AAAA" * 100, "text": "b"}]}, 400),
        ({"text": "a", "references": [{"audio": "?", "text": "b"}]}, 422),
        ({"text": "a", "model": "sample-asr"}, 400),
    ],
)
def test_mistakes(server: Server, body: dict[str, Any], status: int) -> None:
    answer = post(server, **body)
    assert answer.status_code == status
    assert "Traceback" not in answer.text


def test_prosody_of_the_sdk(client: FishAudio) -> None:
    config = TTSConfig(format="wav", prosody=Prosody(speed=0.5), temperature=0.0, top_p=0.0)
    slow = client.tts.convert(text=HELLO, config=config)
    plain = client.tts.convert(text=HELLO, config=config, speed=1.0)
    assert seconds(slow) == pytest.approx(2 * seconds(plain), rel=0.2)
