"""Reads spans of one request ahead of their decoding, on threads."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from typing import Any

from deployments.whisper.cuts.spans import Span
from deployments.whisper.decoding import load_window
from deployments.whisper.engine import WhisperEngine
from deployments.whisper.engine_jobs import Window

_END: Any = object()


class Offload:
    """Runs one request's blocking calls on threads; ``settle`` waits until none is left running."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._running: set[Future[Any]] = set()

    async def __call__(self, function: Callable[..., Any], *args: Any) -> Any:
        """Result of ``function(*args)``."""
        future = self._threads.submit(function, *args)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return await asyncio.wrap_future(future)

    async def settle(self) -> None:
        """Drop calls that have not begun and wait for those that have: they still use the audio."""
        running = [future for future in tuple(self._running) if not future.cancel()]
        if running:
            await asyncio.to_thread(wait, running)


@dataclass(slots=True)
class PlannedSpan:
    """A span to be decoded, with its first window if that is known. The answer begins with the ``opening`` one."""

    span: Span
    opening: bool
    window: Window | None = None


class Prefetch:
    """Spans as they are asked for, with a look at the first windows for language detection."""

    def __init__(self, source: Iterator[Span | None], offload: Callable[..., Any]) -> None:
        self._source, self._offload = source, offload
        self._count = 0
        self._peeked: list[PlannedSpan] = []
        self.packed_samples = 0

    async def next(self) -> PlannedSpan | None:
        """The next span, None after the last."""
        return self._peeked.pop(0) if self._peeked else await self._read()

    async def peek_window(self, index: int, engine: WhisperEngine) -> Window | None:
        """The first window of span ``index``, kept for the decoding to come; None if there is none."""
        while len(self._peeked) <= index:
            item = await self._read()
            if item is None:
                return None
            self._peeked.append(item)
        item = self._peeked[index]
        if item.window is None:
            item.window = await self._offload(load_window, engine, item.span, 0, True)
        return item.window

    async def _read(self) -> PlannedSpan | None:
        span = await self._offload(next, self._source, _END)
        while span is None:
            span = await self._offload(next, self._source, _END)
        if span is _END:
            return None
        if span.closed:
            self.packed_samples += sum(piece.end - piece.start for piece in span.timeline.pieces)
        self._count += 1
        return PlannedSpan(span, self._count == 1 if span.part is None else span.part.opening)
