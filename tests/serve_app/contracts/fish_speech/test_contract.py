"""The contract of speech: what its input may say, whole files, and streams that go on after a crash."""

import asyncio
import base64
import io
import time
from typing import Any

import numpy as np
import pytest
import soundfile

from deployments.errors import (
    AntiphonError,
    ContentRefused,
    InvalidRequest,
    ModelNotFound,
    PayloadTooLarge,
    VoiceNotFound,
)
from deployments.fish_speech.types import Audio, Finished, NewVoice, SpeechRequest, Started
from media.encode import encode
from serve_app.contracts import by_name, choose
from serve_app.contracts.fish_speech.chunks import file_parts
from serve_app.contracts.fish_speech.input import seed_of
from serve_app.tasks.speech.encoding import Container
from tests.media.sound import streamed_file
from tests.serve_app.contracts.support import chunks_of, context_of, items_of, output_of, refusal_of
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.speech_stub import RATE, tone

CONTRACT = by_name("fish-speech")
TEXT = "Hello there, friend."
SEED = seed_of("job-1")
WAV = base64.b64encode(encode(tone(SpeechRequest(text="reference")), "wav", RATE)).decode()


@pytest.fixture
def gateway() -> SpeakingGateway:
    return SpeakingGateway()


def expected(gateway: SpeakingGateway, kind: Any = "wav") -> bytes:
    return encode(tone(gateway.spoken), kind, RATE)


async def spoken(gateway: SpeakingGateway, **fields: Any) -> Any:
    return await output_of({"text": TEXT, **fields}, context_of(gateway), "speech")


async def test_a_text_becomes_a_file(gateway: SpeakingGateway) -> None:
    output = await spoken(gateway)
    assert base64.b64decode(output.pop("audio")) == expected(gateway)
    assert output == {"format": "wav", "sample_rate": RATE, "seed": SEED, "seconds": 1.0, "cut": False}
    assert (gateway.spoken.request_id, gateway.spoken.sampling.model_fields_set) == ("job-1", {"seed"})


@pytest.mark.parametrize("kind", ["wav", "pcm", "flac", "mp3", "aac"])
async def test_formats(gateway: SpeakingGateway, kind: str) -> None:
    output = await spoken(gateway, format=kind)
    assert (output["format"], base64.b64decode(output["audio"])) == (kind, expected(gateway, kind))


async def test_every_field_arrives(gateway: SpeakingGateway) -> None:
    deadline = time.time() + 60
    references = [{"audio": WAV, "text": "One."}, {"audio": f"data:audio/wav;base64,{WAV}", "text": "Two."}]
    sampling = {
        "temperature": 0.5,
        "top_p": 0.9,
        "repetition_penalty": 1.3,
        "max_new_tokens": 9,
        "chunk_length": 0,
    }
    fields = {"seed": -5, "prosody": {"speed": 1.5, "volume": -3}, "sample_rate": 24_000, "speaker": "narrator"}
    job_input = {"text": TEXT, "model": "tts-1", "references": references, **sampling, **fields}
    output = await output_of(job_input, context_of(gateway, deadline=deadline), "speech")
    asked = gateway.spoken
    assert (asked.model, asked.deadline, asked.speed, asked.volume_db) == ("tts-1", deadline, 1.5, -3)
    assert (asked.sample_rate, asked.speaker, asked.reference_texts) == (24_000, "narrator", ("One.", "Two."))
    assert asked.sampling.model_dump() == {**sampling, "seed": 5}
    assert gateway.references == [[base64.b64decode(WAV)] * 2]
    assert (output["sample_rate"], output["seed"]) == (24_000, 5)


async def test_a_voice_by_either_name(gateway: SpeakingGateway) -> None:
    await gateway.add_voice(NewVoice(id="anna", texts=("Hi.",)), [])
    for name in ("voice", "reference_id"):
        await spoken(gateway, **{name: "anna"})
    await spoken(gateway, voice="anna", reference_id="anna")
    await spoken(gateway, voice=None, reference_id=None)
    assert [asked.voice for asked in gateway.speech_requests] == ["anna", "anna", "anna", None]


async def test_models(gateway: SpeakingGateway) -> None:
    await output_of({"text": TEXT}, context_of(gateway, model="sample-tts"), "speech")
    await output_of({"text": TEXT, "model": "tts-1"}, context_of(gateway, model="sample-tts"), "speech")
    assert [asked.model for asked in gateway.speech_requests] == ["sample-tts", "tts-1"]


async def test_the_seed_is_the_jobs(gateway: SpeakingGateway) -> None:
    seeds = {seed_of(f"job-{number}") for number in range(100)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert (await spoken(gateway))["seed"] == (await spoken(gateway, seed=None))["seed"] == SEED


async def test_what_a_classifier_found(gateway: SpeakingGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    async def speak(request: Any, references: Any = ()) -> Any:
        yield Started(RATE, 3, 1, 9, {"hate": 0.25}, 4)
        yield Finished(0, 0, cut=True)

    monkeypatch.setattr(gateway, "speak", speak)
    output = await spoken(gateway)
    assert (output["classification"], output["cut"], output["seconds"]) == ({"hate": 0.25}, True, 0)
    assert output["judged_pieces"] == 4


async def test_how_a_text_is_written(gateway: SpeakingGateway) -> None:
    await spoken(gateway, text_format="ssml", normalize="en")
    assert (gateway.spoken.text_format, gateway.spoken.normalize) == ("ssml", "en")


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"text": None}, InvalidRequest, "text: "),
        ({"text": "", "format": "wav"}, InvalidRequest, "`text` is empty"),
        ({"text": " "}, InvalidRequest, "`text` is blank"),
        ({"text": "…"}, InvalidRequest, "nothing that can be spoken"),
        ({"text": "\ud800"}, InvalidRequest, "text"),
        ({"format": "ogg"}, InvalidRequest, "format: "),
        ({"temperature": 3}, InvalidRequest, "temperature: "),
        ({"temperature": float("nan")}, InvalidRequest, "temperature: "),
        ({"streaming": "perhaps"}, InvalidRequest, "streaming: "),
        ({"references": [{"audio": "&&&", "text": "a"}]}, InvalidRequest, "references.0.audio: .*base64"),
        ({"references": [{"audio": "https://example.com/a.wav", "text": "a"}]}, InvalidRequest, "base64"),
        ({"references": [{"audio": WAV, "text": "a"}] * 2}, PayloadTooLarge, "more than the 20000 bytes"),
        ({"voice": 5}, InvalidRequest, "`voice`"),
        ({"voice": "a", "reference_id": "b"}, InvalidRequest, "mean the same"),
        ({"voice": "../../etc/passwd"}, VoiceNotFound, "no voice"),
        ({"voice": "a" * 600}, VoiceNotFound, "no voice"),
        ({"model": "nobody"}, ModelNotFound, "not served"),
        ({"model": "whisper-1"}, InvalidRequest, "not speech"),
        ({"model": 5}, InvalidRequest, "`model`"),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
async def test_refusals(
    gateway: SpeakingGateway, fields: dict[str, Any], kind: type[AntiphonError], words: str, streaming: bool
) -> None:
    job_input = {"text": TEXT, "streaming": streaming, **fields}
    with pytest.raises(kind, match=words) as caught:
        await items_of(CONTRACT, job_input, context_of(gateway, upload_bytes=20_000))
    assert caught.value.status < 500


async def test_the_models_refusal(gateway: SpeakingGateway) -> None:
    gateway.hindrances = {0: ContentRefused("The text is not spoken.")}
    assert await refusal_of(CONTRACT, {"text": TEXT}, context_of(gateway)) == "The text is not spoken."


def test_its_shape() -> None:
    assert choose({"text": TEXT, "format": "wav"}, None, None) is CONTRACT
    assert choose({"text": TEXT, "voice": "anna"}, None, None) is CONTRACT
    assert choose({"text": TEXT, "streaming": True}, None, None) is CONTRACT
    assert choose({}, "speech", None) is CONTRACT
    assert choose({"text": TEXT, "model": "sample-tts"}, "speech", None) is CONTRACT
    assert choose({"openai_route": "/v1/audio/speech"}, "speech", None).name == "openai"
    assert choose({"text": TEXT, "format": "wav"}, "classification", None).name == "hate-speech"


@pytest.mark.parametrize("kind", ["wav", "pcm", "flac", "mp3", "aac"])
async def test_chunks_make_the_streamed_file(gateway: SpeakingGateway, kind: Any) -> None:
    text = TEXT * 4
    chunks = await chunks_of(CONTRACT, {"text": text, "streaming": True, "format": kind}, context_of(gateway))
    values = [chunk.value for chunk in chunks]
    assert [values[0]["begin"], values[-1]["end"]] == [0, 0.05 * len(text)]
    assert [value["begin"] for value in values[1:]] == [value["end"] for value in values[:-1]]
    assert [(chunk.start, chunk.end) for chunk in chunks] == [(value["begin"], value["end"]) for value in values]
    assert all((v["format"], v["sample_rate"], v["seed"]) == (kind, RATE, SEED) for v in values)
    assert [value.get("cut") for value in values] == [*[None] * (len(values) - 1), False]
    file = b"".join(base64.b64decode(value["audio_chunk"]) for value in values)
    assert file == streamed_file([tone(gateway.spoken)], kind, RATE)
    if kind in ("wav", "pcm"):
        assert [value["end"] for value in values] == [0.25, 0.75, 1.75, 3.75, 4.0]


async def test_whether_it_was_cut_and_who_hears_it_before_its_end(gateway: SpeakingGateway) -> None:
    gateway.cut = True
    assert (await spoken(gateway, format="mp3"))["cut"]
    *_, last = await chunks_of(CONTRACT, {"text": TEXT, "streaming": True}, context_of(gateway))
    assert last.value["cut"]
    assert [asked.whole for asked in gateway.speech_requests] == [True, False]


async def test_a_stream_of_wav_is_read_by_others(gateway: SpeakingGateway) -> None:
    chunks = await chunks_of(CONTRACT, {"text": TEXT, "streaming": "true"}, context_of(gateway))
    file = b"".join(base64.b64decode(chunk.value["audio_chunk"]) for chunk in chunks)
    samples, rate = soundfile.read(io.BytesIO(file), dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(samples, tone(gateway.spoken), atol=2**-15)


async def test_chunks_come_as_they_are_made(gateway: SpeakingGateway) -> None:
    gate = asyncio.Event()
    gateway.hindrances = {3: gate}
    items: Any = CONTRACT.run({"text": TEXT, "streaming": True}, context_of(gateway))
    async with asyncio.timeout(5):
        first = await anext(items)
        assert (first.start, first.end) == (0, 0.25)
        gate.set()
        assert [item.end async for item in items] == [0.75, 1.0]


@pytest.mark.parametrize("streaming", [False, True])
async def test_closing_stops_the_work(gateway: SpeakingGateway, streaming: bool) -> None:
    gateway.hindrances = {1: asyncio.Event()}
    task = asyncio.create_task(items_of(CONTRACT, {"text": TEXT, "streaming": streaming}, context_of(gateway)))
    async with asyncio.timeout(5):
        while not gateway.speaking:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (gateway.speaking, gateway.closed) == (0, 1)


async def utterance(samples: Any, pieces: list[int]) -> Any:
    """The events of samples that come in pieces of these lengths, over and over."""
    yield Started(RATE, 1, 1, 1)
    at = number = 0
    while at < len(samples):
        piece = samples[at : at + pieces[number % len(pieces)]]
        yield Audio(piece, at)
        at, number = at + len(piece), number + 1
    yield Finished(len(samples), 1)


@pytest.mark.parametrize("count", [0, 1, 3_999, 4_000, 4_001, 12_000, 60_000, 100_001])
@pytest.mark.parametrize("kind", ["wav", "pcm", "flac", "mp3", "aac"])
async def test_parts_depend_on_nothing_but_the_speech(count: int, kind: Any) -> None:
    samples = np.sin(np.arange(count, dtype=np.float32) / 9) / 2
    cuts: list[list[int]] = [[1_000_000], [1_701, 64, 8_000], [4_000]]
    found = [
        [(p.data, p.begin, p.end) async for p in file_parts(utterance(samples, pieces), Container(kind))]
        for pieces in cuts
    ]
    assert found[0] == found[1] == found[2]
    assert b"".join(data for data, _, _ in found[0]) == streamed_file([samples], kind, RATE)
    assert found[0][-1][2] == count / RATE
    ends = [end for _, _, end in found[0]]
    assert sorted(set(ends)) == ends  # a second attempt leaves out what ends where something is kept already
