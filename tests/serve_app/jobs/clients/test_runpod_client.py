"""RunPod's own Python package, which only gets another base URL."""

import base64
import time
import warnings
from typing import Any

import aiohttp
import pytest
import requests

from media.encode import encode
from tests.media.sound import streamed_file
from tests.serve_app.http.server import wait_until
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.speech_stub import RATE, tone
from tests.serve_app.http.stub import SEGMENTS, StubGateway
from tests.serve_app.jobs.clients.site import KEY, Served

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import runpod
    from runpod import AsyncioEndpoint, Endpoint

TRANSCRIBE: dict[str, Any] = {
    "engine": "faster-whisper",
    "model": "org/some-name",
    "streaming": True,
    "transcribe_args": {"url": "https://example.com/speech.wav"},
}
TEXTS = [segment.text for segment in SEGMENTS]


@pytest.fixture(autouse=True)
def base_url(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runpod, "endpoint_url_base", f"{served.url}/v2")
    monkeypatch.setattr(runpod, "api_key", KEY)


def texts_in(chunks: list[Any]) -> list[str]:
    entries = [entry for chunk in chunks for entry in chunk]
    return [segment["text"] for entry in entries if entry["type"] == "segments" for segment in entry["data"]]


def test_run_sync() -> None:
    found = Endpoint("classify").run_sync({"prompt": "This is spam."})
    assert found["text"] == "This is spam."
    assert max(("hate", "abusing", "neutral", "spam"), key=found.__getitem__) == "spam"


def test_run_status_output() -> None:
    job = Endpoint("classify").run({"input": {"prompt": "This is spam."}})
    assert job.output(timeout=20)["spam"] > 0.5
    assert job.status() == "COMPLETED"


def test_a_failed_job() -> None:
    job = Endpoint("classify").run({"input": {"prompt": 3}})
    assert job.output(timeout=20) is None
    assert job.status() == "FAILED"


def test_stream() -> None:
    job = Endpoint("transcribe").run(TRANSCRIBE)
    chunks = list(job.stream())
    assert texts_in(chunks) == TEXTS
    assert texts_in(job.output(timeout=20)) == TEXTS


FAILING: list[tuple[str, dict[str, Any], str]] = [
    ("transcribe", {**TRANSCRIBE, "model": "nobody"}, "nobody"),
    ("transcribe-legacy", {**TRANSCRIBE, "model": "nobody"}, "nobody"),
    ("transcribe", {"audio": "https://example.com/speech.wav", "beam_size": "5"}, "beam_size"),
    ("speech", {"text": "Hello there.", "streaming": True, "voice": "nobody"}, "nobody"),
    ("speech", {"text": "Hello there.", "format": "midi"}, "format"),
    ("classify", {"prompt": 3}, "prompt"),
    ("classify", {"openai_route": "nowhere", "openai_input": {}}, "openai_route"),
]


@pytest.mark.parametrize(("endpoint", "job_input", "word"), FAILING)
def test_the_stream_of_a_failed_job_says_why(
    served: Served, endpoint: str, job_input: dict[str, Any], word: str
) -> None:
    """Every contract: the package's generator ends, and the answer that ended it has the sentence."""
    job = Endpoint(endpoint).run({"input": job_input})
    assert list(job.stream()) == []
    assert job.status() == "FAILED"
    headers = {"Authorization": f"Bearer {KEY}"}
    last = requests.get(f"{served.url}/v2/{endpoint}/stream/{job.job_id}", headers=headers, timeout=20).json()
    assert (last["status"], last["stream"]) == ("FAILED", [])
    assert word in last["error"]


def test_speech(gateway: SpeakingGateway) -> None:
    found = Endpoint("speech").run_sync({"text": "Hello there, friend.", "format": "mp3", "seed": 5})
    assert base64.b64decode(found["audio"]) == encode(tone(gateway.spoken), "mp3", RATE)
    assert (found["format"], found["seed"], found["seconds"]) == ("mp3", 5, 1.0)


def test_speech_as_it_is_made(gateway: SpeakingGateway) -> None:
    job = Endpoint("sample-tts").run({"text": "Hello there, friend.", "streaming": True})
    chunks = list(job.stream())
    sound = b"".join(base64.b64decode(chunk["audio_chunk"]) for chunk in chunks)
    assert sound == streamed_file([tone(gateway.spoken)], "wav", RATE)
    assert [chunk["end"] for chunk in chunks] == [0.25, 0.75, 1.0]
    assert job.output(timeout=20) == chunks


def test_cancel_ends_the_work_and_the_stream(gateway: StubGateway) -> None:
    """The package's stream would go on for ever, were the end not told as a failure."""
    gateway.script = (*gateway.script[:-1], 60.0)
    job = Endpoint("transcribe").run(TRANSCRIBE)
    stream = job.stream()
    assert texts_in([next(stream)]) in ([], TEXTS[:1])
    assert job.cancel() == {"id": job.job_id, "status": "CANCELLED"}
    list(stream)
    assert job.status() == "FAILED"  # what the stream said; the service knows better
    assert runpod.endpoint.Job("transcribe", job.job_id, Endpoint("x").rp_client).status() == "CANCELLED"
    wait_until(lambda: gateway.active == 0)
    assert job.cancel()["status"] == "CANCELLED"


def test_health_and_purge(gateway: StubGateway) -> None:
    endpoint = Endpoint("large")
    assert endpoint.run_sync({"input": {**TRANSCRIBE, "model": "large"}}) is not None
    health = endpoint.health()
    assert health["jobs"] == {"completed": 1, "failed": 0, "inProgress": 0, "inQueue": 0, "retried": 0}
    assert health["workers"]["idle"] == 1
    assert endpoint.purge_queue() == {"removed": 0, "status": "completed"}


def test_errors() -> None:
    with pytest.raises(RuntimeError, match="401"):
        Endpoint("classify", api_key="wrong").run({"prompt": "a"})
    with pytest.raises(requests.HTTPError, match="404"):
        Endpoint("nowhere").run({"prompt": "a"})


async def test_asyncio(gateway: StubGateway) -> None:
    gateway.script = (*gateway.script[:2], 0.1, *gateway.script[2:])
    async with aiohttp.ClientSession() as session:
        classify = AsyncioEndpoint("classify", session)
        job = await classify.run({"prompt": "This is spam."})
        assert (await job.output(timeout=20))["spam"] > 0.5
        assert await job.status() == "COMPLETED"
        assert (await classify.health())["jobs"]["completed"] >= 1
        transcribe = AsyncioEndpoint("transcribe", session)
        streaming = await transcribe.run(TRANSCRIBE)
        assert texts_in([chunk async for chunk in streaming.stream()]) == TEXTS
        assert (await transcribe.purge_queue())["status"] == "completed"


async def test_asyncio_cancel(gateway: StubGateway) -> None:
    gateway.script = (*gateway.script[:-1], 60.0)
    async with aiohttp.ClientSession() as session:
        job = await AsyncioEndpoint("transcribe", session).run(TRANSCRIBE)
        assert await job.cancel() == {"id": job.job_id, "status": "CANCELLED"}
        began = time.monotonic()
        chunks = [chunk async for chunk in job.stream()]
        assert time.monotonic() - began < 20
        assert texts_in(chunks) in ([], TEXTS[:1], TEXTS)
