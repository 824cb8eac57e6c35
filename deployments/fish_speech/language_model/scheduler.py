"""Frames for all live requests: a thread that drives the batcher, and the event loop that waits for it."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator

from deployments.errors import InternalError
from deployments.fish_speech.language_model.batcher import (
    Batcher,
    Delivery,
    Entry,
    FrameEngine,
    Frames,
    SpeechSegment,
)
from deployments.process import lower_priority

logger = logging.getLogger("ray.serve")

STUCK_AFTER_S = 300.0
FAILURES_IN_A_ROW = 5  # steps after which the engine is taken to be broken


class FrameScheduler:
    """Runs segments on an engine, which belongs to its thread. ``close`` before the event loop ends."""

    def __init__(self, engine: FrameEngine) -> None:
        self._batcher = Batcher(engine)
        self._loop = asyncio.get_running_loop()
        self._queues: dict[Entry, asyncio.Queue[Frames | Exception]] = {}
        self._wake = threading.Condition()
        self._arrived: list[Entry] = []
        self._closing = False
        self._turning_since: float | None = None
        self._thread = threading.Thread(target=self._work, name="frames", daemon=True)
        self._thread.start()

    async def run(self, segment: SpeechSegment) -> AsyncGenerator[Frames]:
        """The frames of a segment as they come; the last ones have an ``end``.

        Closing it frees the segment's row before the next frame but one. Raises InternalError if the model fails.
        """
        entry = Entry(segment)
        queue = self._queues[entry] = asyncio.Queue()
        try:
            with self._wake:
                self._arrived.append(entry)
                self._wake.notify()
            while True:
                frames = await queue.get()
                if isinstance(frames, Exception):
                    raise InternalError("The model failed on this request. The log has the details.") from frames
                yield frames
                if frames.end:
                    return
        finally:
            entry.left = True
            del self._queues[entry]

    @property
    def live(self) -> int:
        """Segments that have a row at the moment."""
        return self._batcher.live

    def check(self) -> None:
        """Raise RuntimeError if the thread has died, a turn hangs, or nothing but failures came of late."""
        if not self._thread.is_alive():
            raise RuntimeError("the thread that computes frames has ended")
        since = self._turning_since
        if since is not None and time.monotonic() - since > STUCK_AFTER_S:
            raise RuntimeError(f"a frame has been computed for {time.monotonic() - since:.0f} s")
        if self._batcher.failures >= FAILURES_IN_A_ROW:
            raise RuntimeError(f"the last {self._batcher.failures} steps failed")

    async def close(self) -> None:
        """Stop after the running step; whoever still waits gets an error."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)
        for queue in self._queues.values():
            queue.put_nowait(RuntimeError("the model was unloaded"))

    def _work(self) -> None:
        lower_priority()
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closing or self._arrived or self._batcher.busy)
                if self._closing:
                    return
                for entry in self._arrived:
                    self._batcher.add(entry)
                self._arrived = []
            self._turning_since = time.monotonic()
            deliveries = self._batcher.turn()
            self._turning_since = None
            for error in {id(one): one for _, one in deliveries if isinstance(one, Exception)}.values():
                logger.error("the speech model failed", exc_info=error)
            if deliveries:
                self._loop.call_soon_threadsafe(self._deliver, deliveries)

    def _deliver(self, deliveries: list[Delivery]) -> None:
        for entry, frames in deliveries:
            if (queue := self._queues.get(entry)) is not None:
                queue.put_nowait(frames)
