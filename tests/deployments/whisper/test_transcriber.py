"""The sample model really hears: words, times, options, batches, cancellation."""

import asyncio
import contextlib
import functools
import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment as FasterWhisperSegment
from numpy.typing import NDArray

from deployments.errors import InvalidRequest
from deployments.whisper.engine import WhisperEngine
from deployments.whisper.types import (
    Clip,
    DecodingOptions,
    Finished,
    Progress,
    Segment,
    Started,
    Transcript,
    TranscriptionRequest,
    VadOptions,
    collect,
)
from media.decode import SAMPLE_RATE, AudioDecoder
from tests.deployments.whisper.support import LONG, SAMPLES, SINGLE, transcribe_file, transcriber

ERROR_FREE = [name for name in SINGLE if name != "utt08.wav"]
AUDIO = SAMPLES / "testset"

Reference = Callable[[str, bool], list[FasterWhisperSegment]]


@pytest.fixture(scope="module")
def reference() -> Reference:
    """What the reference implementation with the same weights hears in a file of one window, before which there is
    nothing to condition on; with or without word times.
    """
    model = WhisperModel(str(SAMPLES / "model"), device="cpu", compute_type="int8", cpu_threads=1)

    @functools.cache
    def hear(name: str, words: bool) -> list[FasterWhisperSegment]:
        return list(model.transcribe(str(AUDIO / name), temperature=0, word_timestamps=words)[0])

    return hear


def request(vad: bool = True, **decoding: Any) -> TranscriptionRequest:
    return TranscriptionRequest(
        vad=VadOptions() if vad else None, decoding=DecodingOptions(**{"temperatures": (0.0,), **decoding})
    )


def signature(transcript: Transcript) -> list[Any]:
    return [(s.text, s.start, s.end, s.tokens, s.words, round(s.avg_logprob, 4)) for s in transcript.segments]


@pytest.mark.parametrize("vad", [True, False])
async def test_hears_the_words(engine: WhisperEngine, transcripts: dict[str, str], vad: bool) -> None:
    async with transcriber(engine) as t:
        for name in ERROR_FREE:
            result = await transcribe_file(t, AUDIO / name, request(vad))
            assert result.text == transcripts[name]
            assert result.language == "en"
            assert 0 <= result.segments[0].start < result.segments[-1].end <= result.duration + 0.5


@pytest.mark.parametrize("condition", [False, True])
@pytest.mark.parametrize("words", [False, True])
async def test_a_single_window_equals_faster_whisper(
    engine: WhisperEngine,
    reference: Reference,
    condition: bool,
    words: bool,
) -> None:
    async with transcriber(engine) as t:
        for name in SINGLE:
            ours = await transcribe_file(
                t, AUDIO / name, request(False, condition_on_previous_text=condition, word_timestamps=words)
            )
            for our, their in zip(ours.segments, reference(name, words), strict=True):
                assert (our.text, list(our.tokens)) == (their.text, list(their.tokens))
                assert our.start == pytest.approx(their.start, abs=0.006)
                assert our.end == pytest.approx(their.end, abs=0.006)
                assert our.avg_logprob == pytest.approx(their.avg_logprob, abs=1e-4)
                assert our.no_speech_prob == pytest.approx(their.no_speech_prob, abs=1e-4)
                assert [(w.word, w.start, w.end) for w in our.words] == [
                    (w.word, w.start, w.end) for w in their.words or []
                ]


def mixed_requests(count: int) -> list[tuple[Path, TranscriptionRequest]]:
    dice = random.Random(3)
    names = SINGLE + LONG[:1]
    return [
        (
            AUDIO / names[i % len(names)],
            request(
                dice.random() < 0.7,
                beam_size=dice.choice([1, 5]),
                word_timestamps=dice.random() < 0.3,
                token_logprobs=dice.random() < 0.2,
                condition_on_previous_text=dice.random() < 0.2,
                initial_prompt=dice.choice([None, None, "hello thank you"]),
                without_timestamps=dice.random() < 0.3,
                hotwords=dice.choice([None, None, "coffee"]),
            ),
        )
        for i in range(count)
    ]


async def test_thirty_two_at_once_answer_as_each_does_alone(engine: WhisperEngine) -> None:
    plan = mixed_requests(16)
    sizes: list[int] = []
    run = engine.run

    class Counting:
        def run(self, jobs: Any) -> Any:
            sizes.append(len(jobs))
            return run(jobs)

    async with transcriber(engine) as t:
        alone = [await transcribe_file(t, *case) for case in plan]
        t._scheduler._engine = Counting()
        together = await asyncio.gather(*(transcribe_file(t, *case) for case in plan * 2))
    assert max(sizes) >= 4, "the requests did not share batches"
    for one, many in zip(alone * 2, together, strict=True):
        assert signature(one) == signature(many)


async def test_long_files_lose_no_utterance(engine: WhisperEngine, transcripts: dict[str, str]) -> None:
    async with transcriber(engine) as t:
        for name in ("utt11_long.wav", "utt12_long.wav"):
            result = await transcribe_file(t, AUDIO / name, request())
            heard, spoken = result.text.split(), transcripts[name].split()
            assert abs(len(heard) - len(spoken)) <= 0.1 * len(spoken)
            starts = [segment.start for segment in result.segments]
            assert starts == sorted(starts)
            assert [segment.id for segment in result.segments] == list(range(len(starts)))


async def test_events_come_in_order_and_while_reading(engine: WhisperEngine) -> None:
    """The first segment leaves long before the file has been read."""
    with AudioDecoder(AUDIO / "utt12_long.wav") as audio:
        speech = np.concatenate(list(audio))
    read = 0

    class Endless:
        """Twenty minutes of speech, as a decoder would give it."""

        info = type("Info", (), {"duration_s": 20 * 60.0})

        def __iter__(self) -> Any:
            nonlocal read
            for _ in range(20):
                read += 1
                yield speech[: 60 * SAMPLE_RATE]

    async with transcriber(engine) as t:
        events: Any = t.transcribe(request(beam_size=1, without_timestamps=True), Endless())  # type: ignore[arg-type]
        async with contextlib.aclosing(events):
            assert isinstance(await anext(events), Started)
            assert isinstance(await anext(events), Segment)
            assert read <= 3
            seen = [await anext(events) for _ in range(4)]
            assert any(isinstance(event, Progress) for event in seen)
        assert read < 20


async def test_word_times_and_logprobs(engine: WhisperEngine) -> None:
    async with transcriber(engine) as t:
        result = await transcribe_file(t, AUDIO / "utt02.wav", request(word_timestamps=True, token_logprobs=True))
    words = [word for segment in result.segments for word in segment.words]
    assert [word.word.strip() for word in words] == result.text.split()
    assert all(a.end <= b.start + 0.02 for a, b in itertools.pairwise(words))
    assert all(0 < word.probability <= 1 and word.start < word.end for word in words)
    logprobs = [entry for segment in result.segments for entry in segment.token_logprobs]
    assert "".join(entry.token for entry in logprobs).strip() == result.text
    assert all(entry.logprob <= 0 and bytes(entry.bytes).decode() == entry.token for entry in logprobs)


async def test_clips_limit_what_is_heard(engine: WhisperEngine) -> None:
    async with transcriber(engine) as t:
        whole = await transcribe_file(t, AUDIO / "utt11_long.wav", request())
        third = whole.segments[2]
        clips = (Clip(start=max(0, third.start - 0.2), end=third.end + 0.2),)
        part = await transcribe_file(t, AUDIO / "utt11_long.wav", request().model_copy(update={"clips": clips}))
    assert part.text == third.text.strip()
    assert part.segments[0].end == pytest.approx(third.end, abs=0.2)
    assert part.speech_duration < whole.speech_duration


async def test_options_reach_the_model(engine: WhisperEngine) -> None:
    async with transcriber(engine) as t:

        async def text(**decoding: Any) -> str:
            return (await transcribe_file(t, AUDIO / "utt01.wav", request(**decoding))).text

        assert await text() == "two two three seven five"
        two = engine.tokenizer("transcribe", "en").encode(" two")[0]
        assert "two" not in await text(suppress_tokens=(two,))
        assert len((await text(max_new_tokens=3)).split()) < 5
        assert await text(repetition_penalty=4.0) != await text()
        assert await text(no_speech_threshold=0.0, log_prob_threshold=None) == ""
        warm = await transcribe_file(t, AUDIO / "utt01.wav", request(temperatures=(0.9,)))
        assert all(segment.temperature == 0.9 for segment in warm.segments)
        plain = await transcribe_file(t, AUDIO / "utt01.wav", request(without_timestamps=True))
        begin = engine.tokenizer("transcribe", "en").timestamp_begin
        assert all(token < begin for segment in plain.segments for token in segment.tokens)


async def test_an_improbable_result_is_decoded_again_at_a_higher_temperature(engine: WhisperEngine) -> None:
    async with transcriber(engine) as t:
        result = await transcribe_file(
            t,
            AUDIO / "utt01.wav",
            request(temperatures=(0.0, 0.4, 0.8), log_prob_threshold=-0.0001, no_speech_threshold=None),
        )
    assert {segment.temperature for segment in result.segments} == {0.8}


async def test_refuses_what_the_model_cannot_do(engine: WhisperEngine) -> None:
    async with transcriber(engine) as t:
        for changed, field in (
            ({"language": "he"}, "language"),
            ({"languages": ("en", "fr")}, "languages"),
            ({"decoding": DecodingOptions(max_new_tokens=444, hotwords="hello thank you")}, "max_new_tokens"),
            ({"decoding": DecodingOptions(suppress_tokens=(2_000_000_000,))}, "suppress_tokens"),
            ({"decoding": DecodingOptions(suppress_tokens=(-1, -7))}, "suppress_tokens"),
        ):
            with pytest.raises(InvalidRequest) as caught:
                await transcribe_file(t, AUDIO / "utt01.wav", TranscriptionRequest(**changed))
            assert caught.value.param == field


class Source:
    """Samples that are there already."""

    def __init__(self, samples: NDArray[np.float32]) -> None:
        self.samples = samples.astype(np.float32)
        self.info = SimpleNamespace(duration_s=samples.size / SAMPLE_RATE)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        yield self.samples


def coloured(exponent: float, seconds: float) -> NDArray[np.float32]:
    """Noise whose power falls with frequency: 0 is white, 1 pink, 2 brown."""
    size = round(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.default_rng(1).normal(0, 1, size))
    spectrum /= np.maximum(1, np.arange(spectrum.size)) ** (exponent / 2)
    noise = np.fft.irfft(spectrum, size)
    return (0.02 * noise / np.std(noise)).astype(np.float32)


def hum(hertz: float) -> NDArray[np.float32]:
    return (0.2 * np.sin(2 * np.pi * hertz * np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)


SILENT = {
    "half a second": np.zeros(SAMPLE_RATE // 2, np.float32),
    "three seconds": np.zeros(3 * SAMPLE_RATE, np.float32),
    "a minute": np.zeros(60 * SAMPLE_RATE, np.float32),
    "white noise": coloured(0, 3),
    "pink noise": coloured(1, 3),
    "brown noise": coloured(2, 3),
    "hum": hum(50),
    "tone": hum(440),
}


async def test_silence_and_noise_are_no_speech(engine: WhisperEngine) -> None:
    async with transcriber(engine) as t:
        for name, samples in SILENT.items():
            result = await collect("transcribe", t.transcribe(request(), Source(samples)))  # type: ignore[arg-type]
            assert (result.text, result.segments) == ("", ()), name
            assert result.duration == samples.size / SAMPLE_RATE


@pytest.mark.parametrize("samples", [1, 16, 80, 160, 320, 800, 1_600, 3_200, 6_400])
async def test_a_moment_of_sound_is_no_mistake(engine: WhisperEngine, samples: int) -> None:
    with AudioDecoder(AUDIO / "utt01.wav") as audio:
        speech = next(audio)[SAMPLE_RATE : SAMPLE_RATE + samples]
    async with transcriber(engine) as t:
        for vad in (True, False) if samples in (1, 1_600) else (True,):
            result = await collect("transcribe", t.transcribe(request(vad), Source(speech)))  # type: ignore[arg-type]
            assert result.duration == pytest.approx(samples / SAMPLE_RATE, abs=0.001)


@pytest.mark.parametrize("clip", [(0, 2), (0, 100), (2, None), (100, 200), (1.99, 1.995), (3, None)])
async def test_clips_at_and_beyond_the_end_answer_at_once(
    engine: WhisperEngine, clip: tuple[float, float | None]
) -> None:
    asked = request().model_copy(update={"clips": (Clip(start=clip[0], end=clip[1]),)})
    async with transcriber(engine) as t, asyncio.timeout(30):
        result = await transcribe_file(t, AUDIO / "utt01.wav", asked)
    if clip[0] == 100:
        assert (result.text, result.speech_duration) == ("", 0)
    assert all(segment.start >= clip[0] for segment in result.segments)


async def test_leaving_early_withdraws_the_rest(engine: WhisperEngine) -> None:
    async with transcriber(engine, workers=1, max_batch=1) as t:
        with AudioDecoder(AUDIO / "utt12_long.wav") as audio:
            events: Any = t.transcribe(request(), audio)
            await anext(events)
            assert isinstance(await anext(events), Segment)
            await events.aclose()
            assert len(t._scheduler._queue) == 0
        again = await transcribe_file(t, AUDIO / "utt01.wav", request())
        assert again.text == "two two three seven five"


async def test_finished_tells_durations(engine: WhisperEngine) -> None:
    async with transcriber(engine) as t:
        with AudioDecoder(AUDIO / "utt11_long.wav") as audio:
            events = [event async for event in t.transcribe(request(), audio)]
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.duration == pytest.approx(31, abs=2)
    assert 0 < last.speech_duration <= last.duration
    progress = [event.processed for event in events if isinstance(event, Progress)]
    assert progress == sorted(progress)
    assert progress[-1] <= last.duration
