"""Channels that are heard apart become one transcription in the order of time."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import UndecodableAudio
from deployments.whisper import channels as module
from deployments.whisper.channels import merged, transcribe_channels
from deployments.whisper.engine import WhisperEngine
from deployments.whisper.sound.heard_audio import HeardAudio, open_heard
from deployments.whisper.types import (
    Clip,
    DecodingOptions,
    Finished,
    Progress,
    Segment,
    Started,
    Transcript,
    TranscriptionEvent,
    TranscriptionRequest,
    collect,
)
from tests.deployments.whisper.support import transcriber
from tests.media.sound import wav

DATA = Path(__file__).parent / "data"
CALL, FILM = DATA / "num_green.flac", DATA / "two_tracks.mkv"
NUMBERS, GREEN = "three one four one five", "the green door and the small coffee"
Told = list[TranscriptionEvent]
Change = Callable[[TranscriptionRequest], TranscriptionRequest]


def said(start: float, end: float, text: str = "") -> Segment:
    return Segment(0, 0, start, end, text, (), 0.0, 0.0, 1.0, 0.0, "en")


@st.composite
def calls(draw: st.DrawFn) -> tuple[list[Told], list[int]]:
    """What channels tell, in windows with times that rise, and in which order it comes."""
    told: list[Told] = []
    for _ in range(draw(st.integers(1, 4))):
        times = sorted(draw(st.lists(st.integers(0, 40), max_size=16)))
        events: Told = [Started("en", draw(st.floats(0, 1)), 20.0)]
        for start, end in itertools.pairwise([*times, 41]):
            events.append(said(start / 2, max(start + 1, end - 1) / 2))
            if draw(st.booleans()):
                events.append(Progress(end / 2, 20.0))
        told.append([*events, Finished("en", 1.0, 20.5, draw(st.floats(0, 20)))])
    order = draw(st.permutations([number for number, events in enumerate(told) for _ in events]))
    return told, list(order)


def play(told: list[Told], order: list[int], ahead: int) -> Told:
    """What comes of channels whose next events are ready in this order."""

    async def run() -> Told:
        ready = [asyncio.Semaphore(0) for _ in told]

        async def channel(number: int) -> AsyncGenerator[TranscriptionEvent]:
            for event in told[number]:
                await ready[number].acquire()
                yield event

        async def release() -> None:
            for number in order:
                ready[number].release()
                await asyncio.sleep(0)

        releasing = asyncio.create_task(release())
        events = [event async for event in merged({number: channel(number) for number in range(len(told))})]
        await releasing
        return events

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "EVENTS_AHEAD", ahead)
        return asyncio.run(run())


@given(calls(), st.integers(1, 5))
def test_the_merge(call: tuple[list[Told], list[int]], ahead: int) -> None:
    told, order = call
    events = play(told, order, ahead)
    segments = [event for event in events if isinstance(event, Segment)]
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    assert [segment.id for segment in segments] == list(range(len(segments)))
    # nothing lost, nothing changed, each channel in its own order, all of them in the order of time
    for number, channel in enumerate(told):
        own = [(event.start, event.end) for event in channel if isinstance(event, Segment)]
        assert [(s.start, s.end) for s in segments if s.channel == number] == own
    assert [s.start for s in segments] == sorted(s.start for s in segments)
    # whatever comes first
    again = [e for e in play(told, sorted(order), 64) if isinstance(e, Segment)]
    assert segments == again
    # what is said to be done has been given out
    for index, event in enumerate(events):
        if isinstance(event, Progress):
            assert event.processed == min(event.by_channel.values())
            for later in (e for e in events[index:] if isinstance(e, Segment)):
                assert later.start >= event.by_channel[later.channel or 0]
    ends = [channel[-1] for channel in told]
    assert events[-1].speech_duration == round(sum(e.speech_duration for e in ends if isinstance(e, Finished)), 3)


def test_the_surest_language_stands_for_all() -> None:
    quiet: Told = [Started("en", 0.0, None), Finished("en", 0.0, 9.0, 0.0)]
    spoken: Told = [Started("de", 0.9, None), said(1, 2), Finished("de", 0.9, 9.0, 1.0)]
    events = play([quiet, spoken], [0, 0, 1, 1, 1], 8)
    assert events[0] == Started("de", 0.9, None)
    assert events[-1] == Finished("de", 0.9, 9.0, 1.0)


async def test_a_channel_does_not_run_ahead_of_the_others() -> None:
    taken = 0

    async def talks() -> AsyncGenerator[TranscriptionEvent]:
        nonlocal taken
        yield Started("en", 1.0, None)
        for taken in range(10_000):
            yield said(taken, taken + 1)

    async def waits() -> AsyncGenerator[TranscriptionEvent]:
        yield Started("en", 1.0, None)
        await asyncio.Event().wait()

    async with contextlib.aclosing(merged({0: talks(), 1: waits()})) as events:
        await anext(events)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(events), 0.05)
    assert taken <= module.EVENTS_AHEAD + 1


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_what_a_channel_raises_ends_all(after: int) -> None:
    closed = asyncio.Event()

    async def fails() -> AsyncGenerator[TranscriptionEvent]:
        for event in [Started("en", 1.0, None), said(0, 1)][:after]:
            yield event
        raise UndecodableAudio("It is damaged.")

    async def goes_on() -> AsyncGenerator[TranscriptionEvent]:
        try:
            yield Started("en", 1.0, None)
            await asyncio.Event().wait()
        finally:
            closed.set()

    with pytest.raises(UndecodableAudio):
        _ = [event async for event in merged({0: goes_on(), 1: fails()})]
    assert closed.is_set()


@contextlib.contextmanager
def heard(path: Path, **choice: Any) -> Iterator[HeardAudio]:
    with open_heard(lambda: path, **choice) as audio:
        yield audio


async def told(
    engine: WhisperEngine,
    path: Path,
    change: Callable[[TranscriptionRequest], TranscriptionRequest],
    **choice: Any,
) -> Transcript:
    request = change(TranscriptionRequest(decoding=DecodingOptions(temperatures=(0.0,))))
    with heard(path, **choice) as audio:
        async with transcriber(engine) as t:
            return await collect("transcribe", transcribe_channels(t, request, audio.decoders))


def as_is(request: TranscriptionRequest) -> TranscriptionRequest:
    return request


def with_words(request: TranscriptionRequest) -> TranscriptionRequest:
    return request.model_copy(update={"decoding": DecodingOptions(temperatures=(0.0,), word_timestamps=True)})


async def test_channels_that_cancel_are_heard(engine: WhisperEngine) -> None:
    assert (await told(engine, DATA / "antiphase.flac", as_is)).text == GREEN


async def test_the_default_track_is_heard_or_the_one_that_is_wanted(engine: WhisperEngine) -> None:
    assert (await told(engine, FILM, as_is)).text == GREEN
    assert (await told(engine, FILM, as_is, track=0)).text == NUMBERS


async def test_two_parties(engine: WhisperEngine) -> None:
    """What each says has the times that it has when it is heard alone."""
    both = await told(engine, CALL, with_words, channels="split")
    for channel, text in enumerate([NUMBERS, GREEN]):
        alone = await told(engine, CALL, with_words, channels=(channel,))
        assert alone.text == text
        assert all(segment.channel is None for segment in alone.segments)
        mine = [segment for segment in both.segments if segment.channel == channel]
        assert [(s.text, s.start, s.end, s.words) for s in mine] == [
            (s.text, s.start, s.end, s.words) for s in alone.segments
        ]
    assert [s.start for s in both.segments] == sorted(s.start for s in both.segments)
    assert [s.id for s in both.segments] == list(range(len(both.segments)))


async def test_a_call_in_turns(engine: WhisperEngine, tmp_path: Path) -> None:
    """Two people take turns, with pauses that are longer than a window, and clips choose from it."""
    call, rate = soundfile.read(CALL, dtype="int16")
    lines = np.zeros((100 * rate, 2), np.int16)
    turns = [(0, 1.0), (1, 5.0), (0, 45.0), (1, 90.0)]
    for channel, at in turns:
        start = round(at * rate)
        lines[start : start + len(call), channel] = call[:, channel]
    path = tmp_path / "call.wav"
    path.write_bytes(wav(lines.tobytes(), channels=2))
    result = await told(engine, path, with_words, channels="split")
    assert [(s.channel, s.text.strip()) for s in result.segments] == [
        (channel, [NUMBERS, GREEN][channel]) for channel, _ in turns
    ]
    for segment, (_, at) in zip(result.segments, turns, strict=True):
        assert at - 0.4 <= segment.start < segment.end < at + 2.6
        assert all(at - 0.4 <= word.start < word.end < at + 2.6 for word in segment.words)

    def clipped(request: TranscriptionRequest) -> TranscriptionRequest:
        return request.model_copy(update={"clips": (Clip(start=44, end=49), Clip(start=89, end=95))})

    result = await told(engine, path, clipped, channels="split")
    assert [(s.channel, s.text.strip()) for s in result.segments] == [(0, NUMBERS), (1, GREEN)]
