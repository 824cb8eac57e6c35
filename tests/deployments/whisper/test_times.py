"""Times of real speech: across pauses that were cut out, and of clips that overlap."""

import itertools
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from deployments.whisper.engine import WhisperEngine
from deployments.whisper.transcriber import Transcriber
from deployments.whisper.types import (
    Clip,
    DecodingOptions,
    Progress,
    Segment,
    Transcript,
    TranscriptionRequest,
    VadOptions,
    collect,
)
from media.decode import AudioDecoder
from serve_app.tasks.transcription.formats import as_srt, as_vtt
from tests.deployments.whisper.support import transcriber
from tests.media.sound import container

DATA = Path(__file__).parent / "data"
FOUR = DATA / "vad_junction_60s_gaps.flac"  # a phrase each at 0, 60, 120 and 180 s
TWO = DATA / "two_phrases_4s.wav"
NUMBERS, DOOR = "three one four one five", "the green door and the small coffee"


@pytest_asyncio.fixture
async def heard(engine: WhisperEngine) -> AsyncIterator[Any]:
    """Transcribes a file or bytes."""
    async with transcriber(engine) as running:

        async def hear(source: Any, clips: Any = (), vad: bool = True, **decoding: Any) -> Transcript:
            return await collect("transcribe", events(running, source, clips, vad, **decoding))

        yield hear


async def events(
    running: Transcriber, source: Any, clips: Any = (), vad: bool = True, **decoding: Any
) -> AsyncIterator[Any]:
    request = TranscriptionRequest(
        vad=VadOptions() if vad else None,
        decoding=DecodingOptions(**{"temperatures": (0.0,), **decoding}),
        clips=tuple(Clip(start=start, end=end) for start, end in clips),
    )
    with AudioDecoder(source) as audio:
        async for event in running.transcribe(request, audio):
            yield event


def texts(segments: Any) -> list[str]:
    return [segment.text.strip() for segment in segments]


def check_phrases(transcript: Transcript, starts: list[float]) -> None:
    """One segment per phrase of under two seconds, which begins within half a second of a start."""
    assert len(transcript.segments) == len(starts)
    for segment, start in zip(transcript.segments, starts, strict=True):
        times = [(segment.start, segment.end), *((word.start, word.end) for word in segment.words)]
        assert all(start - 0.2 <= begin < end <= start + 2.4 for begin, end in times)
        assert times[1:] == sorted(times[1:])


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("untimed", [False, True])
async def test_no_text_reaches_over_a_pause_that_was_cut_out(heard: Any, words: bool, untimed: bool) -> None:
    """Without timestamps a window is one text, which its words take apart."""
    transcript = await heard(FOUR, word_timestamps=words, without_timestamps=untimed)
    assert texts(transcript.segments) == [NUMBERS] * 4
    check_phrases(transcript, [0, 60, 120, 180])
    for segment in transcript.segments:
        assert [word.word.strip() for word in segment.words] == (NUMBERS.split() if words else [])


@pytest.mark.parametrize("words", [False, True])
async def test_an_mp3_whose_texts_begin_at_seams(heard: Any, words: bool) -> None:
    """44.1 kHz and no Xing header, so that the phrases lie elsewhere within their stretches."""
    with AudioDecoder(FOUR, sample_rate=44_100) as audio:
        minutes = np.concatenate(list(audio)).reshape(4, 60 * 44_100)
    every = 30.56  # seconds, which is a minute for the frames of MP3 and of speech detection
    mp3 = container(
        minutes[:, : round(every * 44_100)].reshape(-1),
        44_100,
        "mp3",
        "libmp3lame",
        bit_rate=64_000,
        options={"write_xing": "0"},
    )
    transcript = await heard(BytesIO(mp3), word_timestamps=words)
    assert texts(transcript.segments) == [NUMBERS] * 4
    check_phrases(transcript, [every * number for number in range(4)])


OVERLAPPING = [
    [(0, 3), (1, 4)],
    [(1, 4), (0, 3)],
    [(0, 4), (2, 3)],
    [(0, 4), (0, 4)],
    [(2, None), (0, 2), (0, None)],
]


@pytest.mark.parametrize("asked", OVERLAPPING)
@pytest.mark.parametrize("options", [{}, {"word_timestamps": True, "condition_on_previous_text": True}])
async def test_clips_that_overlap_are_each_heard_as_if_alone(heard: Any, asked: Any, options: Any) -> None:
    together = await heard(TWO, asked, **options)
    alone = [(await heard(TWO, [clip], **options)).segments for clip in asked]
    spoken = [[(s.text, s.start, s.end, s.words) for s in segments] for segments in alone]
    assert [(s.text, s.start, s.end, s.words) for s in together.segments] == list(itertools.chain(*spoken))
    assert [segment.id for segment in together.segments] == list(range(len(together.segments)))
    assert all(segment.start < segment.end for segment in together.segments)
    assert together.duration == pytest.approx(4.21, abs=0.01)
    positions = [segment.extent[0] for segment in together.segments]
    assert positions == sorted(positions)
    for document in (as_srt(together.segments), as_vtt(together.segments)):
        times = [line.split(" --> ") for line in document.splitlines() if " --> " in line]
        starts = [start for start, _ in times]
        assert starts == sorted(starts)
        assert all(start < end for start, end in times)


async def test_clips_that_do_not_overlap_come_in_order_of_time(heard: Any) -> None:
    for asked in ([(0, 1.95), (1.95, 4.2)], [(1.95, 4.2), (0, 1.95)]):
        transcript = await heard(TWO, asked)
        assert texts(transcript.segments) == [NUMBERS, DOOR]
        assert transcript.segments[0].end <= transcript.segments[1].start
        assert all(segment.position is None for segment in transcript.segments)


async def test_clips_far_apart_keep_to_themselves(heard: Any) -> None:
    asked = [(start, start + 1.9) for start in (180, 0, 120, 60)]
    for words in (False, True):
        transcript = await heard(FOUR, asked, word_timestamps=words)
        assert texts(transcript.segments) == [NUMBERS] * 4
        check_phrases(transcript, [0, 60, 120, 180])


async def test_progress_counts_what_is_heard_again(engine: WhisperEngine) -> None:
    async with transcriber(engine) as running:
        seen = [event async for event in events(running, TWO, [(0, 4), (0, 4)])]
    progress = [event for event in seen if isinstance(event, Progress)]
    assert [event.processed for event in progress] == [4, 8]
    assert [event.total for event in progress] == [pytest.approx(4.21 + 4, abs=0.01)] * 2
    kinds = [type(event) for event in seen if isinstance(event, Segment | Progress)]
    assert kinds == [Segment, Segment, Progress] * 2
