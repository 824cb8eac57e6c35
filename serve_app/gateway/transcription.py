"""Transcription: one file in, events out, and no event twice when another replica starts over."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace

from deployments.whisper.types import (
    Finished,
    Progress,
    Segment,
    Started,
    TranscriptionEvent,
    TranscriptionRequest,
)
from serve_app.fields.audio import Upload
from serve_app.gateway.base import GatewayBase


class TranscriptionGateway(GatewayBase):
    """What replicas of transcription models do."""

    async def transcribe(
        self, request: TranscriptionRequest, upload: Upload | None = None
    ) -> AsyncGenerator[TranscriptionEvent]:
        """Events of one transcription, as ``deployments.whisper.types`` describes them.

        Raises any ``AntiphonError``. Closing the iterator stops the work.
        """
        resolved = self.models.resolve("transcription", request.model)
        deadline = self._deadline(request.deadline)
        request = request.model_copy(update={"model": resolved.on_demand, "deadline": deadline})
        audio = None if upload is None else await asyncio.to_thread(self._put, upload.data)
        upload = None  # the copy in the object store is enough
        resume = TranscriptionResume()
        windows = self._calls[resolved.entry.id].stream("transcribe", deadline, request, audio)
        async with aclosing(windows):
            async for attempt, events in windows:
                for event in resume.fresh(attempt, events):
                    yield event


class TranscriptionResume:
    """Leaves out what an earlier attempt has delivered. Windows may fall differently in another attempt (warmer
    decoding is random), so what counts is the time up to which the audio, or a channel of it, has been done.
    """

    def __init__(self) -> None:
        self._attempt = 0
        # seconds of audio, all of whose segments have been delivered, by channel (None: a mix, or all of them)
        self._done: dict[int | None, float] = {None: 0.0}
        self._skip_until: dict[int | None, float] = {}
        self._segments = 0
        self._started = self._finished = False

    def fresh(self, attempt: int, events: list[TranscriptionEvent]) -> Iterator[TranscriptionEvent]:
        """The events of a window that the caller does not have yet; segments are numbered through."""
        if attempt != self._attempt:
            self._attempt, self._skip_until = attempt, dict(self._done)
        for event in events:
            match event:
                case Started():
                    if not self._started:
                        self._started = True
                        yield event
                case Segment():
                    if sum(event.extent) / 2 >= self._skip_until.get(event.channel, 0.0):
                        yield replace(event, id=self._segments)
                        self._segments += 1
                case Progress():
                    further = event.processed > self._done[None]
                    self._done[None] = max(self._done[None], event.processed)
                    for channel, done in event.by_channel.items():
                        self._done[channel] = done
                    if further or (attempt == 0 and not event.by_channel):
                        yield event
                case Finished():
                    if not self._finished:
                        self._finished = True
                        yield event
