"""The real ``openai`` package speaks with the real server: words, formats, tempo, streams, voices, refusals."""

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from media.decode import RawPcm
from media.encode import FORMATS, AudioFormat
from tests.e2e.conftest import Server
from tests.media.sound import Signal, correlation, decoded, delay_of
from tests.serving import ROOT, WEB, wait_until

RATE = 16_000  # the sample voice's
VOICE = ROOT / "samples" / "tts" / "voices" / "slt" / "hello.wav"
TEXT = "seven two nine"
LONG = "yes green. two five six. stop hot left. one six six. "


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def speak(client: openai.OpenAI, text: str = TEXT, *, seed: int = 1, **options: Any) -> bytes:
    extra = {"seed": seed, **options.pop("extra", {})}
    asked = {"model": "tts-1", "voice": "alloy", **options}
    return client.audio.speech.create(input=text, extra_body=extra, **asked).content


def pcm(data: bytes) -> Signal:
    return np.frombuffer(data, "<i2").astype(np.float32) / 32_768


def heard(client: openai.OpenAI, data: bytes) -> str:
    return client.audio.transcriptions.create(model="whisper-1", file=("speech.wav", data)).text


@pytest.fixture(scope="module")
def wav(client: openai.OpenAI) -> bytes:
    """What every other format is compared with."""
    return speak(client, response_format="wav", extra={"stream": False})


def test_what_is_said_is_understood(client: openai.OpenAI, wav: bytes) -> None:
    texts = [TEXT, "yes green", "stop hot left", "two five six", "up and blue"]
    found = [
        heard(client, wav),
        *(heard(client, speak(client, text, response_format="flac")) for text in texts[1:]),
    ]
    right = sum(text.split() == words.lower().strip(".").split() for text, words in zip(texts, found, strict=True))
    assert right >= 3, found


def test_texts_as_people_and_programs_write_them(client: openai.OpenAI) -> None:
    plain = speak(client, "please turn the light on", response_format="wav", extra={"stream": False})
    for text, text_format in (
        ("  please\t\tturn \u00a0the\u200b light\r\n on \U0001f914", "plain"),
        ("**please** _turn_ the `light` on", "markdown"),
        ("<speak>please turn the light on</speak>", "ssml"),
    ):
        extra = {"stream": False, "text_format": text_format}
        assert speak(client, text, response_format="wav", extra=extra) == plain
    text = "two<break time='1500ms'/>five"
    paused = speak(client, text, response_format="pcm", extra={"text_format": "ssml"})
    assert np.convolve(np.abs(pcm(paused)) < 1e-3, np.ones(24_000), "valid").max() == 24_000
    for wrong, text_format in (("… \U0001f914", "plain"), ("<prosody rate='slow'>two</prosody>", "ssml")):
        with pytest.raises(openai.BadRequestError, match=r"nothing that can be spoken|`<prosody>`"):
            speak(client, wrong, extra={"text_format": text_format})


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_has_all_of_it(client: openai.OpenAI, wav: bytes, kind: AudioFormat, tmp_path: Path) -> None:
    rate = 24_000 if kind == "pcm" else RATE
    whole = decoded(wav, rate)
    data = speak(client, response_format=kind)
    sound = decoded(data, rate, raw=RawPcm(rate) if kind == "pcm" else None)
    delay = delay_of(sound, whole)
    assert 0 <= delay <= 1_105
    assert whole.size <= sound.size + 1 <= whole.size + 4_000
    assert correlation(sound, whole) > 0.95
    last = slice(-RATE // 5, None)  # the last 200 ms
    assert np.std(sound[delay : delay + whole.size][last]) == pytest.approx(np.std(whole[last]), rel=0.2)


def test_a_stream_is_the_same_and_begins_early(client: openai.OpenAI) -> None:
    text = LONG * 2
    whole = pcm(speak(client, text, response_format="pcm", extra={"stream": False}))
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=text, response_format="pcm", extra_body={"seed": 1}
    ) as response:
        began = time.monotonic()
        chunks = response.iter_bytes()
        first = next(chunks)
        early = time.monotonic() - began
        streamed = pcm(first + b"".join(chunks))
        total = time.monotonic() - began
    np.testing.assert_array_equal(streamed, whole)
    assert early < total / 2
    assert whole.size > 4 * 24_000


def test_server_sent_events(client: openai.OpenAI, wav: bytes) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="tts-1",
        voice="alloy",
        input=TEXT,
        response_format="wav",
        stream_format="sse",
        extra_body={"seed": 1},
    ) as response:
        *messages, end = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    *deltas, done = map(json.loads, messages)
    data = b"".join(base64.b64decode(delta["audio"]) for delta in deltas)
    np.testing.assert_array_equal(decoded(data, RATE), decoded(wav, RATE))
    assert (done["type"], done["seed"], end) == ("speech.audio.done", 1, "[DONE]")
    assert done["seconds"] == pytest.approx(decoded(wav, RATE).size / RATE, abs=0.001)
    assert done["usage"]["output_tokens"] == pytest.approx(25 * done["seconds"], abs=1.1)


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_speed_and_rate(client: openai.OpenAI, wav: bytes, speed: float) -> None:
    data = speak(client, response_format="wav", speed=speed, extra={"stream": False, "sample_rate": 8_000})
    sound, whole = decoded(data, 8_000), decoded(wav, 8_000)
    assert 0 <= sound.size - round(whole.size / speed) <= 8_000 * 0.02
    assert np.std(sound) == pytest.approx(np.std(whole), rel=0.3)


def test_seeds(client: openai.OpenAI) -> None:
    first, again, other = (speak(client, response_format="pcm", seed=seed) for seed in (7, 7, 8))
    assert first == again != other
    answer = client.audio.speech.with_raw_response.create(
        model="tts-1", voice="alloy", input=TEXT, response_format="pcm"
    )
    assert speak(client, response_format="pcm", seed=int(answer.headers["x-seed"])) == answer.content


async def test_many_at_once_say_what_each_says_alone(server: Server, client: openai.OpenAI) -> None:
    texts = ["yes green", "two five six", "up and blue", TEXT]
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as many:

        async def one(number: int, text: str) -> bytes:
            answer = await many.audio.speech.create(
                model="tts-1", voice="alloy", input=text, response_format="pcm", extra_body={"seed": number}
            )
            return answer.content

        together = await asyncio.gather(*(one(number, text) for number, text in enumerate(texts)))
    for number in (0, 3):
        assert together[number] == speak(client, texts[number], response_format="pcm", seed=number)


def test_voices(server: Server, client: openai.OpenAI) -> None:
    listed = WEB.get(f"{server.url}/v1/audio/voices").json()
    assert "slt" in [voice["id"] for voice in listed["data"]]
    made = client.audio.voices.create(name="openai-e2e", audio_sample=VOICE, consent="none")
    try:
        shown = WEB.get(f"{server.url}/v1/audio/voices/openai-e2e").json()
        assert len(shown["texts"][0].split()) > 2  # written down by the recogniser
        assert not shown["shipped"]
        with pytest.raises(openai.ConflictError):
            client.audio.voices.create(name="openai-e2e", audio_sample=VOICE, consent="none")
        by_id = speak(client, voice={"id": made.id}, response_format="pcm")
        by_name = speak(client, voice="openai-e2e", response_format="pcm")
        reference = {"audio": base64.b64encode(VOICE.read_bytes()).decode(), "text": shown["texts"][0]}
        beside = speak(client, response_format="pcm", extra={"references": [reference]})
        assert by_id == by_name == beside != speak(client, response_format="pcm", seed=99)
    finally:
        client.audio.voices.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        speak(client, voice="openai-e2e")
    with pytest.raises(openai.ConflictError):
        client.audio.voices.delete("slt")


def test_moderated_speech(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        speak(client, "The Zorites are vermin, all of them.", model="moderated-tts")
    assert (caught.value.code, caught.value.param) == ("content_policy_violation", "input")
    answer = client.audio.speech.create(model="moderated-tts", voice="alloy", input=TEXT, stream_format="sse")
    done = json.loads(answer.content.decode().split("data: ")[-2])
    assert done["classification"]["hate"] < 0.5


async def test_a_full_queue_says_when_to_come_back(server: Server) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as many:
        asked = [many.audio.speech.create(model="tight-tts", voice="alloy", input=LONG) for _ in range(8)]
        found = await asyncio.gather(*asked, return_exceptions=True)
    refused = [one for one in found if isinstance(one, openai.RateLimitError)]
    assert len(refused) + sum(not isinstance(one, BaseException) for one in found) == len(found)
    assert 1 <= len(refused) <= 6
    assert int(refused[0].response.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"text": " "}, openai.BadRequestError),
        ({"text": "..."}, openai.BadRequestError),
        ({"text": "x" * 20_001}, openai.APIStatusError),
        ({"voice": "../../etc"}, openai.NotFoundError),
        ({"instructions": "Whisper."}, openai.BadRequestError),
        ({"extra": {"references": [{"audio": "AAAA", "text": "a"}]}}, openai.BadRequestError),
        ({"model": "gpt-9"}, openai.NotFoundError),
    ],
)
def test_refusals(client: openai.OpenAI, options: dict[str, Any], kind: type[openai.APIStatusError]) -> None:
    with pytest.raises(kind) as caught:
        speak(client, **options)
    assert caught.value.status_code in (400, 404, 413)
    assert speak(client, "yes green")  # the replica lives


def test_a_listener_who_leaves_frees_the_model(server: Server, client: openai.OpenAI) -> None:
    def active() -> int:
        states = WEB.get(f"{server.url}/readyz").json()["models"]
        return int(states["sample-tts"].get("active_requests", 0))

    wait_until(lambda: active() == 0)
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=LONG * 20, response_format="pcm"
    ) as response:
        chunks = response.iter_bytes()
        next(chunks)
        wait_until(lambda: active() == 1)
    wait_until(lambda: active() == 0, 10)  # it would take minutes


def test_the_model_is_listed(client: openai.OpenAI) -> None:
    found = client.models.retrieve("tts-1").to_dict()
    assert (found["root"], found["task"]) == ("sample-tts", "speech")
