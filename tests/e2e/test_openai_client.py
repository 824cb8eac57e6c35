"""The real ``openai`` package against the real server: words, formats, times, streams, languages, errors."""

import asyncio
import io
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.conftest import CONFIG, Server
from tests.serving import AUDIO

DATA = Path(__file__).parents[1] / "deployments" / "whisper" / "data"
ERROR_FREE = [f"utt{i:02d}.wav" for i in range(1, 10) if i != 8]
WORDS = {entry["file"]: entry["text"] for entry in json.loads((AUDIO / "transcripts.json").read_text())}


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def transcribe(client: openai.OpenAI, name: str = "utt01.wav", **options: Any) -> Any:
    with (AUDIO / name).open("rb") as file:
        return client.audio.transcriptions.create(**{"model": "whisper-1", "file": file, **options})


@pytest.mark.parametrize("name", ERROR_FREE)
def test_the_shipped_recordings_are_understood_word_for_word(client: openai.OpenAI, name: str) -> None:
    assert transcribe(client, name).text == WORDS[name]


def test_a_refusal_is_seen_by_who_only_writes_first(server: Server) -> None:
    """Through Serve's proxy: Python's urllib reads nothing before it has written everything."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server.url}/v1//nothing/", bytes(20_000_000), timeout=60)
    with refused.value as answer:
        assert (answer.code, b"There is nothing at POST /v1/nothing" in answer.read()) == (404, True)


@pytest.mark.parametrize(
    "model", ["whisper-1", "gpt-4o-transcribe", "sample-asr", "ivrit-ai/whisper-large-v3-turbo-ct2", "lazy"]
)
def test_every_name_of_a_model_answers(client: openai.OpenAI, model: str) -> None:
    assert transcribe(client, model=model).text == WORDS["utt01.wav"]


async def test_the_async_client_at_once(server: Server) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="unused") as client:

        async def one(name: str) -> str:
            data = (AUDIO / name).read_bytes()
            answer = await client.audio.transcriptions.create(model="whisper-1", file=(name, data))
            return answer.text

        answers = await asyncio.gather(*(one(name) for name in ERROR_FREE))
    assert answers == [WORDS[name] for name in ERROR_FREE]


def test_text(client: openai.OpenAI) -> None:
    assert transcribe(client, response_format="text").strip() == WORDS["utt01.wav"]


def test_subtitles(client: openai.OpenAI) -> None:
    srt = transcribe(client, "utt11_long.wav", response_format="srt")
    vtt = transcribe(client, "utt11_long.wav", response_format="vtt")
    assert re.match(r"1\n00:00:\d\d,\d{3} --> 00:00:\d\d,\d{3}\n\S", srt)
    assert vtt.startswith("WEBVTT\n\n")
    assert srt.count(" --> ") == vtt.count(" --> ") >= 10


def test_verbose_json_with_words_and_segments(client: openai.OpenAI) -> None:
    answer = transcribe(
        client,
        "utt02.wav",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert answer.text == WORDS["utt02.wav"]
    assert answer.language == "english"
    assert answer.duration == pytest.approx(2.9, abs=0.3)
    assert "".join(segment.text for segment in answer.segments).strip() == answer.text
    assert [word.word.strip() for word in answer.words] == answer.text.split()
    truth = {e["file"]: e.get("words") for e in json.loads((AUDIO / "transcripts.json").read_text())}["utt02.wav"]
    for word, (_, start, _) in zip(answer.words, truth, strict=True):
        assert word.start == pytest.approx(start, abs=0.4)
    assert answer.usage.seconds == pytest.approx(answer.duration, abs=1)


def test_granularities_choose(client: openai.OpenAI) -> None:
    words = transcribe(client, response_format="verbose_json", timestamp_granularities=["word"])
    segments = transcribe(client, response_format="verbose_json", timestamp_granularities=["segment"])
    assert words.words
    assert not words.segments
    assert segments.segments
    assert not segments.words


def test_logprobs(client: openai.OpenAI) -> None:
    answer = transcribe(client, include=["logprobs"])
    assert "".join(entry.token for entry in answer.logprobs).strip() == answer.text
    assert all(entry.logprob <= 0 for entry in answer.logprobs)


def test_streaming_deltas_make_the_text(client: openai.OpenAI) -> None:
    events = list(transcribe(client, "utt11_long.wav", stream=True))
    deltas = [event for event in events if event.type == "transcript.text.delta"]
    done = [event for event in events if event.type == "transcript.text.done"]
    assert len(deltas) >= 10
    assert len(done) == 1
    assert events[-1] is done[0]
    assert "".join(delta.delta for delta in deltas) == done[0].text
    assert done[0].text == transcribe(client, "utt11_long.wav").text


def test_a_call_of_two_parties(client: openai.OpenAI) -> None:
    with (DATA / "num_green.flac").open("rb") as file:
        answer = client.audio.transcriptions.create(
            model="whisper-1",
            file=file,
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
            extra_body={"channels": "split"},
        )
    texts = ["three one four one five", "the green door and the small coffee"]
    assert [entry["text"] for entry in answer.channels] == texts
    for channel, text in enumerate(texts):
        words = [word for word in answer.words if word.channel == channel]
        assert " ".join(word.word for word in words) == text
        assert all(0 <= word.start < word.end < 2.6 for word in words)
    assert answer.audio_track["heard"] == [0, 1]
    assert answer.usage.seconds == 5


def test_channels_that_cancel_and_the_track_of_a_film(client: openai.OpenAI) -> None:
    green = "the green door and the small coffee"
    for name, choice, text in [
        ("antiphase.flac", {}, green),
        ("two_tracks.mkv", {}, green),
        ("two_tracks.mkv", {"audio_track": 0}, "three one four one five"),
    ]:
        with (DATA / name).open("rb") as file:
            answer = client.audio.transcriptions.create(model="whisper-1", file=file, extra_body=choice)
        assert answer.text == text


@pytest.mark.parametrize(
    ("choice", "param"),
    [({"channels": "2"}, "channels"), ({"channels": "1,9"}, "channels"), ({"audio_track": "fr"}, "audio_track")],
)
def test_sound_that_a_file_does_not_have(client: openai.OpenAI, choice: dict[str, Any], param: str) -> None:
    with (DATA / "num_green.flac").open("rb") as file, pytest.raises(openai.BadRequestError) as caught:
        client.audio.transcriptions.create(model="whisper-1", file=file, extra_body=choice)
    assert caught.value.param == param


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the client's own
def test_translation(client: openai.OpenAI) -> None:
    with (AUDIO / "utt01.wav").open("rb") as file:
        plain = client.audio.translations.create(model="whisper-1", file=file)
    with (AUDIO / "utt01.wav").open("rb") as file:
        verbose = client.audio.translations.create(model="whisper-1", file=file, response_format="verbose_json")
    assert plain.text == verbose.text
    assert verbose.language == "english"


def test_languages(client: openai.OpenAI) -> None:
    assert transcribe(client, language="en").text == WORDS["utt01.wav"]
    assert transcribe(client, language="english").text == WORDS["utt01.wav"]
    with pytest.raises(openai.BadRequestError, match="'he'"):
        transcribe(client, language="he")
    with pytest.raises(openai.BadRequestError, match="xx"):
        transcribe(client, language="xx")


def test_vad_as_the_client_writes_it(client: openai.OpenAI) -> None:
    auto = transcribe(client, chunking_strategy="auto")
    manual = transcribe(
        client, chunking_strategy={"type": "server_vad", "threshold": 0.4, "silence_duration_ms": 300}
    )
    assert auto.text == manual.text == WORDS["utt01.wav"]


def test_extras_reach_the_model(client: openai.OpenAI) -> None:
    answer = transcribe(client, extra_body={"max_new_tokens": 3, "beam_size": 1, "temperature": "0.0"})
    assert len(answer.text.split()) < 5


def test_unknown_fields_are_named(client: openai.OpenAI) -> None:
    with (AUDIO / "utt01.wav").open("rb") as file:
        raw = client.audio.transcriptions.with_raw_response.create(
            model="whisper-1", file=file, extra_body={"flavour": "sweet"}
        )
    assert raw.headers["x-ignored-fields"] == "flavour"
    assert raw.headers["x-request-id"]


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"model": "gpt-9"}, openai.NotFoundError, "gpt-9"),
        ({"response_format": "diarized_json"}, openai.BadRequestError, "diarized_json"),
        ({"response_format": "yaml"}, openai.BadRequestError, "response_format"),
        ({"temperature": 7}, openai.BadRequestError, "temperature"),
        ({"timestamp_granularities": ["word"]}, openai.BadRequestError, "verbose_json"),
        ({"extra_body": {"hallucination_silence_threshold": "2"}}, openai.BadRequestError, "hallucination"),
        ({"extra_body": {"diarize": "true"}}, openai.BadRequestError, "diariz"),
        ({"extra_body": {"max_new_tokens": "448"}}, openai.BadRequestError, "max_new_tokens"),
        ({"file": ("empty.wav", b"")}, openai.BadRequestError, "empty"),
        ({"file": ("notes.wav", b"Dear diary, this is no sound at all. " * 40)}, openai.BadRequestError, "audio"),
        ({"file": ("zero.wav", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80>\0\0\0}\0\0\2\0\x10\0data\0\0\0\0")},
         openai.BadRequestError, "audio"),
    ],
)  # fmt: skip
def test_mistakes_get_a_sentence(
    client: openai.OpenAI, options: dict[str, Any], error: type[openai.APIStatusError], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        transcribe(client, **options)
    body: Any = caught.value.body
    assert sentence.lower() in body["message"].lower()
    assert set(body) == {"message", "type", "param", "code"}
    assert "Traceback" not in str(body)
    assert transcribe(client).text == WORDS["utt01.wav"]


def test_a_truncated_mp3_is_heard_up_to_its_cut(client: openai.OpenAI) -> None:
    whole = io.BytesIO(mp3(AUDIO / "utt11_long.wav"))
    data = whole.getvalue()
    half = client.audio.transcriptions.create(model="whisper-1", file=("half.mp3", data[: len(data) // 2]))
    full = client.audio.transcriptions.create(model="whisper-1", file=("full.mp3", data))
    assert 3 <= len(half.text.split()) < len(full.text.split())


def mp3(path: Any) -> bytes:
    """A recording as MP3."""
    from media.decode import AudioDecoder
    from tests.media.sound import streamed_file

    with AudioDecoder(path) as audio:
        return streamed_file(audio, "mp3", 16_000)


def test_models_are_listed(client: openai.OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}
    assert set(models) == {entry["id"] for entry in CONFIG["models"]}
    sample: Any = client.models.retrieve("whisper-1")
    assert sample.task == "transcription"
    assert sample.state["phase"] == "ready"
