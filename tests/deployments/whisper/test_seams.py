"""Random stretches, random pauses between them, decoded times anywhere near the seams: what leaves the decoder."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deployments.whisper.cuts.spans import PackedSpan
from deployments.whisper.cuts.vad import Region
from deployments.whisper.decoding import SpanDecoder
from deployments.whisper.engine import TIME_PRECISION, WhisperEngine
from deployments.whisper.engine_jobs import AlignWords, Generate, Generated, Score, Window
from deployments.whisper.types import DecodingOptions, Segment
from media.decode import SAMPLE_RATE
from serve_app.tasks.transcription.formats import as_srt, as_vtt

WINDOW_S = 10.0
WORDS = (" three", " one", " four", " five")
ROUNDING = 0.0101  # times are told to the hundredth
STEP = 0.02


@dataclass
class Case:
    """Stretches as (pause before, length) in seconds; decoded texts as (start, end, words), in timestamps of the
    span; edges of the words that the alignment finds, in seconds; the amplitude of parts of the span.
    """

    stretches: list[tuple[float, float]]
    texts: list[tuple[int, int, int]]
    edges: list[float]
    timed: bool
    loudness: list[float]

    def regions(self) -> list[Region]:
        regions, position = [], 0
        for pause, length in self.stretches:
            start = position + round(pause * SAMPLE_RATE)
            position = start + round(length * SAMPLE_RATE)
            regions.append(Region(start, position))
        return regions


@st.composite
def cases(draw: Any) -> Case:
    lengths = draw(st.lists(st.floats(0.1, 4), min_size=1, max_size=6).filter(lambda ls: sum(ls) <= WINDOW_S))
    pauses = [draw(st.sampled_from([0.1, 0.4, 1.0, 60.0, 3600.0]) | st.floats(0.1, 3600)) for _ in lengths]
    seams = [0.0, *np.cumsum(lengths).tolist()]
    near = st.builds(lambda seam, off: seam + off, st.sampled_from(seams), st.floats(-0.7, 0.7))
    times = near | st.floats(0, WINDOW_S)
    count = draw(st.integers(1, 5))
    steps = iter(sorted(round(max(draw(times), 0.0) / TIME_PRECISION) for _ in range(2 * count)))
    texts, reached = [], 0
    for low, high in zip(steps, steps, strict=True):
        low = max(low, reached)
        reached = max(high, low + 1)
        texts.append((low, reached, draw(st.integers(1, 4))))
    words = sum(words for *_, words in texts)
    edges = sorted(min(max(draw(times), 0.0), WINDOW_S) for _ in range(words + 1))
    loudness = [draw(st.sampled_from([0.0, 0.001, 0.1])) for _ in range(40)]
    return Case(list(zip(pauses, lengths, strict=True)), texts, edges, draw(st.booleans()), loudness)


class Model:
    """Answers the decoder's jobs with what the case says."""

    def __init__(self, engine: WhisperEngine, case: Case) -> None:
        self._case = case
        self._tokenizer = engine.tokenizer("transcribe", "en")
        self._ids = [self._tokenizer.encode(word)[0] for word in WORDS]

    async def run(self, job: Any) -> Any:
        match job:
            case Generate():
                return Generated(list(self._tokens()), -0.1, 0.0)
            case AlignWords():
                self._align(job)
                return None
            case Score():
                return [0.9 for _ in job.tokens]

    def _tokens(self) -> Iterator[int]:
        number = 0
        for low, high, words in self._case.texts:
            yield self._tokenizer.timestamp_begin + low
            for _ in range(words):
                yield self._ids[number % len(self._ids)]
                number += 1
            yield self._tokenizer.timestamp_begin + high

    def _align(self, job: AlignWords) -> None:
        edges = itertools.pairwise(self._case.edges)
        for row in job.segments:
            texts = [self._tokenizer.decode([token]) for token in row["tokens"] if token < self._tokenizer.eot]
            row["words"] = [
                {"word": text, "start": round(start, 2), "end": round(end, 2), "probability": 0.5}
                for text, (start, end) in zip(texts, edges, strict=False)
            ]
            row["start"], row["end"] = row["words"][0]["start"], row["words"][-1]["end"] + STEP


async def offload(function: Any, *args: Any) -> Any:
    return function(*args)


async def decoded(engine: WhisperEngine, case: Case) -> list[Segment]:
    regions = case.regions()
    length = sum(region.end - region.start for region in regions)
    dice = np.random.default_rng(3)
    envelope = np.repeat(case.loudness, -(-length // len(case.loudness)))[:length]
    span = PackedSpan((dice.normal(0, 1, length) * envelope).astype(np.float32), regions)
    options = DecodingOptions(word_timestamps=case.timed, temperatures=(0.0,))
    decoder = SpanDecoder(engine, options, "transcribe", "en", Model(engine, case).run, offload)
    window = Window(np.zeros((80, length // 160), np.float32))
    segments: list[Segment] = []
    async for part, _ in decoder.decode(span, decoder.first_context(), window):
        segments += part
        break  # the one window that the case tells about
    return segments


@given(cases())
async def test_times_rise_within_the_stretch_in_which_a_text_is_spoken(engine: WhisperEngine, case: Case) -> None:
    segments = await decoded(engine, case)
    count = sum(words for *_, words in case.texts)
    assert "".join(segment.text for segment in segments) == "".join(
        WORDS[number % len(WORDS)] for number in range(count)
    )
    tokens = [token for segment in segments for token in segment.tokens]
    assert tokens == list(Model(engine, case)._tokens())
    for segment in segments:
        _within_a_stretch(case, segment.start, segment.end)
        assert segment.text == "".join(word.word for word in segment.words) or not case.timed
        for word in segment.words:
            _within_a_stretch(case, word.start, word.end)
            assert segment.start <= word.start < word.end <= segment.end
    words = [word for segment in segments for word in segment.words]
    for times in ([(s.start, s.end) for s in segments], [(w.start, w.end) for w in words]):
        for (start, end), (next_start, next_end) in itertools.pairwise(times):
            assert start <= next_start
            assert end <= next_end
            assert next_start >= end - STEP - ROUNDING
    _subtitles_rise(as_srt(segments))
    _subtitles_rise(as_vtt(segments).replace(".", ","))


def _within_a_stretch(case: Case, start: float, end: float) -> None:
    assert end > start
    assert any(
        region.start / SAMPLE_RATE - ROUNDING <= start and end <= region.end / SAMPLE_RATE + ROUNDING
        for region in case.regions()
    )


def _subtitles_rise(document: str) -> None:
    lines = [line.split(" --> ") for line in document.splitlines() if " --> " in line]
    assert all(start < end for start, end in lines)
    assert [start for start, _ in lines] == sorted(start for start, _ in lines)
    assert [end for _, end in lines] == sorted(end for _, end in lines)
