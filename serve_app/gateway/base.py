"""What is the same for every task: finding the model, setting the deadline, placing uploads for the replicas."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Protocol

from deployments.handle import Handle
from serve_app.fields.audio import Upload
from serve_app.gateway.model_index import ModelIndex


class ReplicaCalls(Protocol):
    """Calls of one model's replicas. ``deadline`` is Unix time in seconds, None for none."""

    async def one(self, method: str, deadline: float | None, *args: Any) -> Any:
        """The result of a replica's method. Raises any ``AntiphonError``."""

    def stream(self, method: str, deadline: float | None, *args: Any) -> AsyncGenerator[tuple[int, Any]]:
        """Items of a replica's generator, each with the number of the attempt that it comes from, 0 at first.

        An attempt that follows the death of a replica begins at the beginning. Raises any ``AntiphonError``.
        """
        ...


class GatewayBase:
    """``calls`` maps a model's id to the calls of its replicas; ``states`` is the board of states; ``put`` places
    bytes where every replica can read them without another copy (nothing has to be done in one process).
    ``timeout_s`` is the longest time of a request, None for any.
    """

    def __init__(
        self,
        models: ModelIndex,
        calls: Mapping[str, ReplicaCalls],
        states: Handle,
        *,
        timeout_s: float | None = 3_600,
        put: Callable[[Any], Any] = lambda value: value,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.models = models
        self._calls = calls
        self._states = states
        self._timeout_s = timeout_s
        self._put = put
        self._clock = clock

    def _deadline(self, requested: float | None = None) -> float | None:
        """The earlier of what a request asks for and what it may have."""
        if self._timeout_s is None:
            return requested
        latest = self._clock() + self._timeout_s
        return latest if requested is None else min(requested, latest)

    async def _placed(self, uploads: Sequence[Upload]) -> list[Any]:
        return [await asyncio.to_thread(self._put, upload.data) for upload in uploads]
