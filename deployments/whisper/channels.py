"""Channels that are transcribed each by itself, as one transcription in the order of time."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from deployments.whisper.transcriber import Transcriber
from deployments.whisper.types import (
    Finished,
    Progress,
    Segment,
    Started,
    TranscriptionEvent,
    TranscriptionRequest,
)
from media.decode import AudioDecoder

EVENTS_AHEAD = 64
"""Events of a channel that wait for the others, before it has to wait itself."""

Events = AsyncGenerator[TranscriptionEvent]


async def transcribe_channels(
    transcriber: Transcriber, request: TranscriptionRequest, decoders: Mapping[int | None, AudioDecoder]
) -> Events:
    """Events of one transcription of the channels that are decoded, with one request's share of the batches.

    A decoder that is not that of a numbered channel is the only one. Raises what ``Transcriber.transcribe`` does.
    """
    with transcriber.share() as share:
        streams = {number: transcriber.transcribe(request, audio, share) for number, audio in decoders.items()}
        apart = {number: events for number, events in streams.items() if number is not None}
        async with aclosing(merged(apart) if apart else streams[None]) as events:
            async for event in events:
                yield event


class _Channel:
    """What has come from a channel. ``next`` is its segment that waits for its turn; all that follows it begins no
    earlier than at ``done`` seconds of what is heard, which are ``total`` in all if that is known.
    """

    def __init__(self, number: int, events: Events, arrived: asyncio.Event) -> None:
        """Begins to read the events, and sets ``arrived`` whenever there is something new."""
        self.number = number
        self.next: Segment | None = None
        self.done = 0.0
        self.total: float | None = None
        self.finished: Finished | None = None
        self._queue: asyncio.Queue[TranscriptionEvent] = asyncio.Queue(EVENTS_AHEAD)
        self._arrived = arrived
        self.reading = asyncio.create_task(self._read(events))
        self.reading.add_done_callback(lambda _: arrived.set())

    @property
    def open(self) -> bool:
        """Whether nothing is known of what comes next."""
        return self.next is None and self.finished is None

    def take(self) -> TranscriptionEvent | None:
        """The next event, if there is one and nothing is known yet of what comes next. Raises what the channel
        raised, after all that came before.
        """
        if self._queue.empty():
            if self.reading.done() and self.finished is None:
                self.reading.result()
                raise RuntimeError("a channel's transcription ended without its last event")
            return None
        if not self.open:
            return None
        event = self._queue.get_nowait()
        match event:
            case Segment():
                self.next = replace(event, channel=self.number)
            case Progress(processed, total):
                self.done, self.total = max(self.done, processed), total
            case Finished(duration=duration):
                self.done, self.finished = max(self.done, duration), event
        return event

    async def _read(self, events: Events) -> None:
        async with aclosing(events):
            async for event in events:
                await self._queue.put(event)
                self._arrived.set()


async def merged(channels: Mapping[int, Events]) -> Events:
    """The events of several channels as those of one transcription, by the channels' numbers.

    A segment is given out once no other channel can have one that begins earlier, so the order depends on nothing
    but their times. A channel that is ahead waits. Raises what a channel raises; closing stops all of them.
    """
    arrived = asyncio.Event()
    states = [_Channel(number, events, arrived) for number, events in channels.items()]
    try:
        surest = await _surest(states, arrived)
        yield surest
        count = 0
        while (segment := _due(states)) is not None or not all(state.finished for state in states):
            if segment is not None:
                yield replace(segment, id=count)
                count += 1
                continue
            arrived.clear()
            came = [event for state in states if (event := state.take()) is not None]
            if any(isinstance(event, Progress | Finished) for event in came):
                yield _progress(states)
            if not came:
                await arrived.wait()
        yield _finished(states, surest)
    finally:
        reading = [state.reading for state in states]
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


async def _surest(states: Sequence[_Channel], arrived: asyncio.Event) -> Started:
    """The beginning of all channels: that of the one whose language is the least in doubt."""
    started: dict[int, Started] = {}
    while len(started) < len(states):
        arrived.clear()
        for state in states:
            if state.number not in started and isinstance(event := state.take(), Started):
                started[state.number] = event
        if len(started) < len(states):
            await arrived.wait()
    return max(started.values(), key=lambda event: event.language_probability)


def _due(states: Sequence[_Channel]) -> Segment | None:
    """The earliest segment, taken from its channel, if no channel can have an earlier one."""
    known = [(state.next.extent[0], order) for order, state in enumerate(states) if state.next is not None]
    if not known:
        return None
    start, order = min(known)
    if any(state.open and state.done <= start for state in states):
        return None
    segment, states[order].next = states[order].next, None
    return segment


def _progress(states: Sequence[_Channel]) -> Progress:
    by_channel = {state.number: state.done for state in states}
    totals = [state.total for state in states if state.total is not None]
    return Progress(min(by_channel.values()), max(totals, default=None), by_channel)


def _finished(states: Sequence[_Channel], surest: Started) -> Finished:
    ends = [state.finished for state in states if state.finished is not None]
    return Finished(
        surest.language,
        surest.language_probability,
        max(end.duration for end in ends),
        round(sum(end.speech_duration for end in ends), 3),
    )
