"""The one way in. Every entrance calls the gateway; none talks to a deployment.

It resolves the model, gives the request its deadline, sends it to a replica, tries again when a replica dies,
turns everything that can go wrong into the exception tree, and cancels the replica's work when the caller
leaves. It knows handles only by their shape, so tests drive it with plain objects.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from deployments.deadline import until
from deployments.errors import (
    AntiphonError,
    InternalError,
    ModelUnavailable,
    Overloaded,
)
from deployments.model_state import ModelState, most_telling
from deployments.whisper.types import (
    Finished,
    Progress,
    Segment,
    Started,
    TranscriptionEvent,
    TranscriptionRequest,
)
from serve_app.config import ModelEntry
from serve_app.models import ModelIndex
from serve_app.upload import Upload

logger = logging.getLogger("ray.serve")

REPLICA_DIED = (
    ActorDiedError,
    ActorUnavailableError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    WorkerCrashedError,
)
STATES_TIMEOUT_S = 2.0
RETRY_PAUSE_S = 0.1


class Handle(Protocol):
    """The part of a Serve deployment handle that the gateway uses."""

    def options(self, *, stream: bool) -> Any:
        """A handle whose calls return async generators."""

    def __getattr__(self, method: str) -> Any:
        """A method; its ``.remote(...)`` starts a call."""


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
        parcels = self._stream(resolved.entry, "transcribe", deadline, request, audio)
        async with contextlib.aclosing(parcels):
            async for attempt, parcel in parcels:
                for event in resume.fresh(attempt, parcel):
                    yield event

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

    async def _stream(
        self, model: ModelEntry, method: str, deadline: float, *args: Any
    ) -> AsyncGenerator[tuple[int, Any]]:
        """Items of a replica's generator with the number of the attempt that they come from.

        When a replica dies another one starts the same call over; leaving out what the caller already has is
        the business of those who know what the items mean.
        """
        handle = self._handles[model.id].options(stream=True)
        for attempt in range(self._retries + 1):
            call = getattr(handle, method).remote(*args)
            ended = False
            try:
                async for item in until(deadline, call, self._clock):
                    yield attempt, item
                ended = True
                return
            except REPLICA_DIED as error:
                if attempt == self._retries:
                    raise ModelUnavailable(
                        f"The model {model.id!r} lost its replica {attempt + 1} times during this request. "
                        "Try again."
                    ) from error
                logger.warning("replica of %s died, attempt %d starts", model.id, attempt + 2)
                await asyncio.sleep(RETRY_PAUSE_S)
            except BaseException as error:
                told = _told(error, model)
                if told is error:
                    raise
                raise told from error
            finally:
                if not ended:
                    with contextlib.suppress(Exception):  # it raises what the call itself has raised
                        call.cancel()


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


def _told(error: BaseException, model: ModelEntry) -> BaseException:
    """What the caller is told about an error that came out of a replica or of Serve itself."""
    match error:
        case RayTaskError() if isinstance(error.cause, AntiphonError):
            return error.cause
        case AntiphonError() | asyncio.CancelledError() | GeneratorExit():
            return error
        case BackPressureError():
            return Overloaded(
                f"Too many requests are waiting for the model {model.id!r}. Try again later.",
                retry_after_s=error.retry_after_s or 1.0,
            )
        case DeploymentUnavailableError():
            return ModelUnavailable(f"The model {model.id!r} failed to start.")
        case TaskCancelledError():
            return asyncio.CancelledError()
        case Exception():
            logger.error("the model %s failed", model.id, exc_info=error)
            return InternalError("The model failed on this request. The log has the details.")
    return error
