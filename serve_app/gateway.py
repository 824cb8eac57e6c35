"""The one way in. Every entrance calls the gateway; none talks to a deployment.

It resolves the model, gives the request its deadline and sends it to a replica; ``deployments.calls`` tries
again when a replica dies, turns everything that can go wrong into the exception tree, and cancels the replica's
work when the caller leaves.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import ray

from deployments.calls import Calls, Handle
from deployments.model_state import ModelState, most_telling
from deployments.text_classification.config import TextClassificationConfig
from deployments.text_classification.types import ClassificationRequest, TextScores
from deployments.whisper.types import (
    Finished,
    Progress,
    Segment,
    Started,
    TranscriptionEvent,
    TranscriptionRequest,
)
from serve_app.config import AppConfig, ModelEntry
from serve_app.models import ModelIndex
from serve_app.upload import Upload

logger = logging.getLogger("ray.serve")

STATES_TIMEOUT_S = 2.0


class Gateway:
    """Typed requests in, typed results or async iterators out.

    ``handles`` maps a model id to its deployment; ``put`` places bytes where every replica can read them
    without another copy (Ray's object store in a cluster, nothing at all in one process).
    """

    def __init__(
        self,
        models: ModelIndex,
        handles: Mapping[str, Handle],
        states: Handle,
        *,
        timeout_s: float = 3_600,
        retries: int = 2,
        put: Callable[[Any], Any] = lambda value: value,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.models = models
        self._handles = handles
        self._states = states
        self._timeout_s = timeout_s
        self._retries = retries
        self._put = put
        self._clock = clock

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
        resume = _Resume()
        parcels = self._calls(resolved.entry).stream("transcribe", deadline, request, audio)
        async with contextlib.aclosing(parcels):
            async for attempt, parcel in parcels:
                for event in resume.fresh(attempt, parcel):
                    yield event

    async def classify(self, request: ClassificationRequest) -> tuple[TextScores, ...]:
        """Scores of every text, in the texts' order. Raises any ``AntiphonError``. Cancelling stops the work."""
        resolved = self.models.resolve("classification", request.model)
        limits = resolved.entry.config
        assert isinstance(limits, TextClassificationConfig)
        request.check_size(limits.max_texts, limits.max_chars)  # before it is sent around
        deadline = self._deadline(request.deadline)
        request = replace(request, model=resolved.on_demand, deadline=deadline)
        scores: tuple[TextScores, ...] = await self._calls(resolved.entry).one("classify", deadline, request)
        return scores

    async def states(self) -> dict[str, ModelState]:
        """What every model is doing, by id. One nobody has heard of is ``starting``, or ``idle`` if it loads on
        demand: it may have no replica until somebody asks for it.
        """
        try:
            found = await asyncio.wait_for(self._states.snapshot.remote(), STATES_TIMEOUT_S)
        except Exception:
            logger.warning("the state board does not answer", exc_info=True)
            found = {}
        return {
            entry.id: most_telling(found.get(entry.id, []))
            if entry.id in found or entry.config.load == "startup"
            else ModelState("idle")
            for entry in self.models.entries
        }

    def _deadline(self, wanted: float | None) -> float:
        latest = self._clock() + self._timeout_s
        return latest if wanted is None else min(wanted, latest)

    def _calls(self, model: ModelEntry) -> Calls:
        return Calls(self._handles[model.id], model.id, self._retries, self._clock)


def make_gateway(config: AppConfig, handles: Mapping[str, Handle], states: Handle) -> Gateway:
    """A gateway to the deployments of a graph. Bytes go through Ray's object store if there is a cluster."""
    return Gateway(
        ModelIndex.of(config),
        handles,
        states,
        timeout_s=config.http.request_timeout_s,
        retries=config.http.retries,
        put=ray.put if ray.is_initialized() else lambda value: value,
    )


class _Resume:
    """Leaves out what an earlier attempt has delivered. Windows may fall differently in another attempt (warmer
    decoding is random), so what counts is the time up to which the audio has been done.
    """

    def __init__(self) -> None:
        self._attempt = 0
        self._done = 0.0  # seconds of audio, all of whose segments have been delivered
        self._skip_until = 0.0
        self._segments = 0
        self._started = self._finished = False

    def fresh(self, attempt: int, parcel: list[TranscriptionEvent]) -> Iterator[TranscriptionEvent]:
        """The events of a window that the caller does not have yet; segments are numbered through."""
        if attempt != self._attempt:
            self._attempt, self._skip_until = attempt, self._done
        for event in parcel:
            match event:
                case Started():
                    if not self._started:
                        self._started = True
                        yield event
                case Segment():
                    if (event.start + event.end) / 2 >= self._skip_until:
                        yield replace(event, id=self._segments)
                        self._segments += 1
                case Progress():
                    if attempt == 0 or event.processed > self._done:
                        self._done = event.processed
                        yield event
                case Finished():
                    if not self._finished:
                        self._finished = True
                        yield event
