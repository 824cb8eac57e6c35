"""Calls of deployments: tried again when a replica dies, stopped at their deadline, cancelled when the caller
leaves, and with errors of our own tree only.

They know handles only by their shape, so tests drive them with plain objects.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

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

from deployments.deadline import until, within
from deployments.errors import AntiphonError, InternalError, ModelUnavailable, Overloaded
from deployments.handle import Handle

logger = logging.getLogger("ray.serve")

REPLICA_DIED = (
    ActorDiedError,
    ActorUnavailableError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    WorkerCrashedError,
)
RETRY_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one model's deployment. ``retries`` counts the tries after the first one.

    A model's unexpected error is logged and becomes an InternalError. With ``raw_errors`` it is raised as it is
    and not logged, for those who run the model in their own process.
    """

    handle: Handle
    model: str
    retries: int = 2
    clock: Callable[[], float] = time.time
    raw_errors: bool = False

    async def one(self, method: str, deadline: float | None, *args: Any) -> Any:
        """The result of a replica's method. ``deadline`` is Unix time in seconds. Raises any ``AntiphonError``."""
        attempt = 0
        while True:
            call = getattr(self.handle, method).remote(*args)
            ended = False
            try:
                async with within(deadline, self.clock):
                    result = await call
                ended = True
                return result
            except BaseException as error:
                await self._again_or_raise(error, attempt)
                attempt += 1
            finally:
                if not ended:
                    with contextlib.suppress(Exception):  # it raises what the call itself has raised
                        call.cancel()

    async def stream(self, method: str, deadline: float | None, *args: Any) -> AsyncGenerator[tuple[int, Any]]:
        """Items of a replica's generator with the number of the attempt that they come from.

        When a replica dies another one starts the same call over; leaving out what the caller already has is
        the business of those who know what the items mean.
        """
        handle = self.handle.options(stream=True)
        for attempt in range(self.retries + 1):
            call = getattr(handle, method).remote(*args)
            ended = False
            try:
                async for item in until(deadline, call, self.clock):
                    yield attempt, item
                ended = True
                return
            except BaseException as error:
                await self._again_or_raise(error, attempt)
            finally:
                if not ended:
                    with contextlib.suppress(Exception):
                        call.cancel()

    async def _again_or_raise(self, error: BaseException, attempt: int) -> None:
        """Return if the call may be tried again."""
        if not isinstance(error, REPLICA_DIED):
            translated = _translated(error, self.model, raw_errors=self.raw_errors)
            if translated is error:
                raise error
            raise translated from error
        if attempt == self.retries:
            raise ModelUnavailable(
                f"The model {self.model!r} lost its replica {attempt + 1} times during this request. Try again."
            ) from error
        logger.warning("replica of %s died, attempt %d starts", self.model, attempt + 2)
        await asyncio.sleep(RETRY_PAUSE_S)


def _leaving() -> bool:
    """Whether it is the caller who is cancelled, and not a replica that stops what it has begun."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _translated(error: BaseException, model: str, *, raw_errors: bool) -> BaseException:
    """What the caller gets for an error that came out of a replica or of Serve itself."""
    match error:
        case RayTaskError() if isinstance(error.cause, AntiphonError):
            return error.cause
        case TaskCancelledError() | asyncio.CancelledError() if not _leaving():
            return ModelUnavailable(f"The model {model!r} stopped the work on this request. Try again.")
        case TaskCancelledError():
            return asyncio.CancelledError()
        case AntiphonError() | asyncio.CancelledError() | GeneratorExit():
            return error
        case BackPressureError():
            return Overloaded(
                f"Too many requests are waiting for the model {model!r}. Try again later.",
                retry_after_s=error.retry_after_s or 1.0,
            )
        case DeploymentUnavailableError():
            return ModelUnavailable(f"The model {model!r} failed to start.")
        case Exception() if not raw_errors:
            logger.error("the model %s failed", model, exc_info=error)
            return InternalError("The model failed on this request. The log has the details.")
    return error
