"""``fish-audio-sdk``, synchronous and asynchronous, against the application behind a real server."""

import asyncio
import time
from typing import Any

import httpx
import numpy as np
import pytest
from fishaudio import AsyncFishAudio, FishAudio, TTSConfig
from fishaudio.core import RequestOptions
from fishaudio.exceptions import APIError, AuthenticationError, NotFoundError, RateLimitError, ServerError
from fishaudio.types import Prosody, ReferenceAudio

from deployments.errors import DeadlineExceeded, Overloaded
from deployments.fish_speech.types import SamplingOptions, SpeechRequest
from media.decode import RawPcm
from tests.media.sound import correlation, decoded
from tests.serve_app.http.fish.conftest import Server
from tests.serve_app.http.fish.support import WAV, voice
from tests.serve_app.http.server import wait_until
from tests.serve_app.http.speech_stub import tone
from tests.serve_app.http.stub import FINISHED, TEXT

HELLO = "Hello, world! How are you?"


def heard(audio: bytes, rate: int = 16_000, *, raw: RawPcm | None = None, seed: int = 0) -> None:
    """Audio that says HELLO in the stub's way, with no more than an encoder's delay around it."""
    expected = tone(SpeechRequest(text=HELLO, sampling=SamplingOptions(seed=seed)), rate)
    found = decoded(audio, rate, raw=raw)
    assert len(expected) <= len(found) < len(expected) + 0.2 * rate
    assert correlation(found, expected) > 0.98


def test_its_defaults(client: FishAudio, server: Server) -> None:
    """MP3 without the flag `streaming`, from a model of the hosted service."""
    heard(client.tts.convert(text=HELLO))
    request = server.gateway.spoken
    assert (request.text, request.model, request.voice, request.reference_texts) == (HELLO, "s2-pro", None, ())
    assert (request.speed, request.volume_db, request.sample_rate) == (1.0, 0.0, None)
    assert request.sampling.model_dump(include=request.sampling.model_fields_set) == {
        "temperature": 0.7,
        "top_p": 0.7,
        "repetition_penalty": 1.2,
        "max_new_tokens": 1_024,
        "chunk_length": 200,
    }


@pytest.mark.parametrize("kind", ["wav", "mp3", "opus"])
def test_files(client: FishAudio, kind: Any) -> None:
    heard(client.tts.convert(text=HELLO, format=kind))


def test_raw_samples_at_another_rate(client: FishAudio) -> None:
    audio = client.tts.convert(text=HELLO, config=TTSConfig(format="pcm", sample_rate=24_000))
    heard(audio, 24_000, raw=RawPcm(24_000))


def test_every_argument_arrives(client: FishAudio, server: Server) -> None:
    config = TTSConfig(
        format="opus",
        sample_rate=24_000,
        opus_bitrate=24,
        normalize=False,
        chunk_length=300,
        latency="normal",
        references=[ReferenceAudio(audio=WAV, text="Silence."), ReferenceAudio(audio=WAV + b"2", text="More.")],
        prosody=Prosody(speed=1.5, volume=-6.0),
        top_p=0.0,
        temperature=0.0,
        max_new_tokens=0,
        repetition_penalty=2.0,
        min_chunk_length=10,
        condition_on_previous_chunks=False,
        early_stop_threshold=0.5,
    )
    client.tts.convert(text=HELLO, config=config, model="s1")
    request = server.gateway.spoken
    assert (request.model, request.reference_texts) == ("s1", ("Silence.", "More."))
    assert (request.speed, request.volume_db, request.sample_rate) == (1.5, -6.0, 24_000)
    assert request.sampling == SamplingOptions(
        temperature=0, top_p=1e-6, repetition_penalty=2.0, max_new_tokens=0, chunk_length=300
    )
    assert server.gateway.references == [[WAV, WAV + b"2"]]


def test_bit_rates(client: FishAudio) -> None:
    low, high = (len(client.tts.convert(text=HELLO, config=TTSConfig(mp3_bitrate=rate))) for rate in (64, 128))
    assert low < 0.7 * high
    low, high = (
        len(client.tts.convert(text=HELLO, config=TTSConfig(format="opus", opus_bitrate=rate)))
        for rate in (24, 64)
    )
    assert low < 0.7 * high


def test_voices_of_the_library(client: FishAudio, server: Server) -> None:
    server.gateway.library = {"anna": voice("anna")}
    client.tts.convert(text="a", reference_id="anna", references=[ReferenceAudio(audio=WAV, text="b")], speed=2.0)
    request = server.gateway.spoken
    assert (request.voice, request.reference_texts, request.speed) == ("anna", (), 2.0)
    assert server.gateway.references == [[]]


async def test_streams_asynchronously(async_client: AsyncFishAudio, server: Server) -> None:
    stream = await async_client.tts.stream(text=HELLO)
    heard(b"".join([chunk async for chunk in stream]))
    heard(await async_client.tts.convert(text=HELLO, format="wav"))
    assert len(server.gateway.speech_requests) == 2


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (Overloaded("Full.", retry_after_s=2.1), RateLimitError, "Full."),
        (DeadlineExceeded("Too late."), ServerError, "Too late."),
        (ZeroDivisionError("a bug"), ServerError, "The server failed on this request."),
    ],
)
def test_failures(client: FishAudio, server: Server, error: Exception, kind: type[APIError], words: str) -> None:
    server.gateway.hindrances = {0: error}
    with pytest.raises(kind) as failure:
        client.tts.convert(text="a")
    assert failure.value.message.startswith(words)


def test_mistakes(client: FishAudio, server: Server) -> None:
    with pytest.raises(NotFoundError, match="There is no voice 'nobody'") as unknown:
        client.tts.convert(text="a", reference_id="nobody")
    assert unknown.value.status == 404
    with pytest.raises(NotFoundError, match="The model 's9' is not served here"):
        client.tts.convert(text="a", model="s9")  # type: ignore[arg-type]
    with pytest.raises(APIError, match="`text` is empty; send what to say") as empty:
        client.tts.convert(text="")
    assert empty.value.status == 400
    with pytest.raises(APIError, match="repetition_penalty: Input should be less than or equal to 2") as wrong:
        client.tts.convert(text="a", config=TTSConfig(repetition_penalty=2.5))
    assert wrong.value.status == 422
    with (
        FishAudio(api_key="wrong", base_url=server.url) as stranger,
        pytest.raises(AuthenticationError) as refused,
    ):
        stranger.tts.convert(text="a")
    assert refused.value.message == "The API key is not one that this server knows."


def test_a_stream_that_breaks(client: FishAudio, server: Server) -> None:
    server.gateway.hindrances = {3: ZeroDivisionError("a bug")}
    with pytest.raises(httpx.RemoteProtocolError):
        client.tts.convert(text=HELLO, format="pcm")


def test_clients_that_give_up_stop_the_work(client: FishAudio, server: Server) -> None:
    server.gateway.hindrances = {1: asyncio.Event()}
    for kind in ("wav", "mp3"):
        server.gateway.closed = 0
        with pytest.raises(httpx.ReadTimeout):
            client.tts.convert(text=HELLO, format=kind, request_options=RequestOptions(timeout=0.2))
        wait_until(lambda: server.gateway.closed == 1)
    assert server.gateway.speaking == 0


def test_transcription(client: FishAudio, server: Server) -> None:
    found = client.asr.transcribe(audio=WAV, language="en")
    assert (found.text, found.duration) == (TEXT, FINISHED.duration * 1_000)
    assert [(one.start, one.end) for one in found.segments] == [(0.0, 2.5), (2.5, 5.04)]
    assert " ".join(one.text for one in found.segments) == TEXT
    request = server.gateway.request
    assert (request.language, request.model) == ("en", None)
    (upload,) = server.gateway.uploads
    assert upload is not None
    assert upload.data.tobytes() == WAV
    assert client.asr.transcribe(audio=WAV, include_timestamps=False).segments == []
    with pytest.raises(APIError, match="language: Input should be a language that Whisper knows") as wrong:
        client.asr.transcribe(audio=WAV, language="xx")
    assert wrong.value.status == 422


def test_the_life_of_a_voice(client: FishAudio, server: Server) -> None:
    before = time.time()
    made = client.voices.create(
        title="Anna", voices=[WAV, WAV + b"2"], texts=["One.", "Two."], description="Calm.", tags=["calm", "low"]
    )
    assert (made.title, made.description, made.tags) == ("Anna", "Calm.", ["calm", "low"])
    assert (made.type, made.state, made.visibility) == ("tts", "trained", "private")
    assert [sample.text for sample in made.samples] == ["One.", "Two."]
    assert made.created_at.timestamp() < before
    assert server.gateway.references == [[WAV, WAV + b"2"]]

    assert client.voices.get(made.id) == made
    client.voices.update(made.id, title="Anna B.", tags=["low"], visibility="public")
    changed = client.voices.get(made.id)
    assert (changed.title, changed.description, changed.tags) == ("Anna B.", "Calm.", ["low"])
    assert changed.updated_at > made.updated_at

    client.tts.convert(text="a", reference_id=made.id)
    client.voices.delete(made.id)
    for call in (client.voices.get, client.voices.delete):
        with pytest.raises(NotFoundError, match=f"There is no voice '{made.id}'"):
            call(made.id)


def test_recordings_are_transcribed(client: FishAudio, server: Server) -> None:
    """As by the hosted service, whose examples send no texts."""
    made = client.voices.create(title="Anna", voices=[WAV])
    assert [sample.text for sample in made.samples] == [TEXT]


def test_lists_of_voices(client: FishAudio, server: Server) -> None:
    server.gateway.library = {
        one.id: one
        for one in (
            voice("a", title="Anna", tags=("calm", "low"), languages=("en",)),
            voice("b", title="Bob", tags=("low",), languages=("de", "en"), created=1_700_000_009.0),
            voice("c", shipped=True),
        )
    }
    assert (client.voices.list().total, [one.id for one in client.voices.list().items]) == (3, ["a", "b", "c"])
    page = client.voices.list(page_size=2, page_number=2)
    assert (page.total, [one.id for one in page.items]) == (3, ["c"])

    def ids(**filters: Any) -> list[str]:
        return [one.id for one in client.voices.list(**filters).items]

    assert ids(title="AN") == ["a"]
    assert ids(title="c") == ["c"]  # one without a title is called by its id
    assert ids(tags="calm") == ["a"]
    assert ids(tags=["calm", "low"]) == ["a", "b"]
    assert ids(language="de") == ["b"]
    assert ids(self_only=True) == ["a", "b"]
    assert ids(author_id="someone") == []
    assert ids(sort_by="created_at") == ["b", "a", "c"]
    assert ids(page_number=9) == []


async def test_voices_asynchronously(async_client: AsyncFishAudio) -> None:
    made = await async_client.voices.create(title="Anna", voices=[WAV], texts=["One."])
    assert (await async_client.voices.list()).items == [made]
    await async_client.voices.update(made.id, description="New.")
    assert (await async_client.voices.get(made.id)).description == "New."
    await async_client.voices.delete(made.id)
    assert (await async_client.voices.list()).total == 0


def test_there_are_no_accounts(client: FishAudio) -> None:
    with pytest.raises(NotFoundError, match="This server keeps no accounts"):
        client.account.get_credits()


def test_samples_are_what_the_stub_hums(client: FishAudio) -> None:
    audio = client.tts.convert(text=HELLO, format="pcm")
    expected = tone(SpeechRequest(text=HELLO, sampling=SamplingOptions(seed=0)))
    found = np.frombuffer(audio, "<i2").astype(np.float32) / 32_768
    assert np.max(np.abs(found - expected)) < 1e-4
