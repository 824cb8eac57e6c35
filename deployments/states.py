"""What each model is doing: downloading, loading, ready. Replicas report, ``/readyz`` and ``/v1/models`` read.

Serve routes to a replica only when its constructor is through, so a replica cannot be asked how far its
download is. It tells this board instead, every few seconds, from before its model is loaded to its end.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ray import serve

from deployments.model_state import ModelState

REPORT_INTERVAL_S = 2.0
STALE_AFTER_S = 6.0


class StateBoard:
    """Latest state of every replica of every model; what is not repeated within six seconds is forgotten."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._states: dict[tuple[str, str], tuple[float, ModelState]] = {}

    async def report(self, model: str, replica: str, state: ModelState) -> None:
        """Take a replica's state in."""
        self._states[model, replica] = (self._clock(), state)

    async def snapshot(self) -> dict[str, list[ModelState]]:
        """States of all replicas heard of lately, by model id."""
        now = self._clock()
        self._states = {key: entry for key, entry in self._states.items() if now - entry[0] < STALE_AFTER_S}
        by_model: dict[str, list[ModelState]] = {}
        for (model, _), (_, state) in sorted(self._states.items(), key=lambda item: item[0]):
            by_model.setdefault(model, []).append(state)
        return by_model


class StateReporter:
    """Repeats one replica's state to the board. ``load`` supplies queue figures at every report."""

    def __init__(
        self, board: Any, model: str, replica: str, load: Callable[[ModelState], ModelState] = lambda s: s
    ) -> None:
        self._board, self._model, self._replica, self._load = board, model, replica, load
        self.state = ModelState()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin reporting; needs a running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._report())

    def update(self, **changes: Any) -> None:
        """Change the state and report it soon. Call from the event loop's thread."""
        self.state = replace(self.state, **changes)
        self._changed.set()

    async def _report(self) -> None:
        while True:
            self._changed.clear()
            with contextlib.suppress(Exception):  # the board may be restarting; the next report comes soon
                await self._board.report.remote(self._model, self._replica, self._load(self.state))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_INTERVAL_S):  # wait_for could swallow a cancellation
                    await self._changed.wait()

    def stop(self) -> None:
        """Stop reporting."""
        if self._task is not None:
            self._task.cancel()


@serve.deployment(
    name="states",
    num_replicas=1,
    max_ongoing_requests=1_000,
    ray_actor_options={"num_cpus": 0},
    max_surge_percent=100,
    logging_config={"enable_access_log": False},  # a line per report helps nobody
)
class States(StateBoard):
    """The board as a deployment."""

    def __init__(self) -> None:
        super().__init__()
