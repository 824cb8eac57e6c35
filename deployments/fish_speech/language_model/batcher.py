"""Continuous batching: segments join and leave between two frames. Plain objects, no thread, no clock.

Live segments occupy the first rows of the engine, without gaps: when one ends, the last one takes its row. One
segment at a time is being prefilled, piece by piece between the steps, so that a long prompt holds nobody up for
long. Segments get rows in the order in which they came; a text's next segment queues anew, so that a long text
lets others in between.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Columns = NDArray[np.int32]
End = Literal["", "spoken", "cut"]


@dataclass(frozen=True, slots=True, eq=False)
class SpeechSegment:
    """What is to be spoken in one go.

    ``opening`` and ``rest`` are the prompt, int32 of shape (1 + codebooks, any); what the engine computed for an
    ``opening`` it may keep for later segments. Frames are drawn with ``seed`` and the numbers from ``first_frame``
    on. At most ``most_frames`` come, in chunks of ``first_chunk`` frames, then twice as many each time, up to
    ``chunk``; 0 delivers all of them at the end.
    """

    opening: Columns
    rest: Columns
    seed: int
    first_frame: int
    most_frames: int
    temperature: float = 0.7
    top_p: float = 0.7
    repetition_penalty: float = 1.2
    first_chunk: int = 0
    chunk: int = 0

    @property
    def length(self) -> int:
        """Columns of the prompt."""
        return int(self.opening.shape[1] + self.rest.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """The next frames, int32 of shape (1 + codebooks, any).

    ``end`` tells of the last ones whether the model has ended by itself, with the frame that says so as the last
    one, or was cut at ``most_frames``.
    """

    columns: Columns
    end: End = ""


class FrameEngine(Protocol):
    """What computes frames, for ``slots`` segments at a time. All methods block."""

    slots: int

    def stage(self, segment: SpeechSegment) -> None:
        """Begin with a segment's prompt, apart from the rows."""

    def prefill(self) -> bool:
        """Compute a piece of the staged prompt. True after the last one."""

    def place(self, row: int) -> tuple[Columns, bool]:
        """Give the staged segment a row and draw its first frame, (1 + codebooks,); True if that is its end."""

    def step(self, rows: int) -> tuple[Columns, Sequence[bool]]:
        """The next frame of each of the first ``rows``, (rows, 1 + codebooks), and which of them end."""

    def move(self, source: int, target: int) -> None:
        """A segment changes its row."""


@dataclass(slots=True, eq=False)
class Entry:
    """A segment on its way. ``left`` is set, from any thread, when nobody wants it any more."""

    segment: SpeechSegment
    left: bool = False
    frames: list[Columns] = field(default_factory=list)
    drawn: int = 0
    chunk: int = 0

    def __post_init__(self) -> None:
        self.chunk = self.segment.first_chunk or self.segment.chunk

    def take(self, frame: Columns, ended: bool) -> Frames | None:
        """Add a frame; the chunk that it completes, if it does."""
        self.frames.append(frame)
        self.drawn += 1
        end: End = "spoken" if ended else "cut" if self.drawn >= self.segment.most_frames else ""
        if not end and (not self.chunk or len(self.frames) < self.chunk):
            return None
        delivered = Frames(np.stack(self.frames, axis=1), end)
        self.frames = []
        self.chunk = min(2 * self.chunk, self.segment.chunk)
        return delivered


Delivery = tuple[Entry, Frames | Exception]


class Batcher:
    """Shares an engine between segments. Call ``turn`` in a loop while ``busy``."""

    def __init__(self, engine: FrameEngine) -> None:
        self._engine = engine
        self._waiting: deque[Entry] = deque()
        self._staged: Entry | None = None
        self._live: list[Entry] = []
        self.failures = 0
        """Steps that failed in a row; each of them failed all live segments."""

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._waiting or self._staged or self._live)

    @property
    def live(self) -> int:
        """Segments that have a row."""
        return len(self._live)

    def add(self, entry: Entry) -> None:
        """Queue a segment."""
        self._waiting.append(entry)

    def turn(self) -> list[Delivery]:
        """One piece of prefill and one frame of every live segment; what is to be handed out.

        What goes wrong with one prompt fails its segment, what goes wrong with a step fails all live ones.
        """
        self._forget_left()
        deliveries: list[Delivery] = []
        deliveries += self._prefill()
        deliveries += self._step()
        return deliveries

    def _forget_left(self) -> None:
        self._waiting = deque(entry for entry in self._waiting if not entry.left)
        if self._staged is not None and self._staged.left:
            self._staged = None
        for row in reversed(range(len(self._live))):
            if self._live[row].left:
                self._retire(row)

    def _prefill(self) -> Iterator[Delivery]:
        if self._staged is None and (not self._waiting or len(self._live) >= self._engine.slots):
            return
        entry = self._staged or self._waiting.popleft()
        try:
            if self._staged is None:
                self._engine.stage(entry.segment)
                self._staged = entry
            if not self._engine.prefill():
                return
            frame, ended = self._engine.place(len(self._live))
        except Exception as error:
            self._staged = None
            yield entry, error
            return
        self._staged = None
        self._live.append(entry)
        yield from self._taken([frame], [ended], len(self._live) - 1)

    def _step(self) -> Iterator[Delivery]:
        if not self._live:
            return
        try:
            frames, ended = self._engine.step(len(self._live))
        except Exception as error:
            self.failures += 1
            yield from ((entry, error) for entry in self._live)
            self._live = []
            return
        self.failures = 0
        yield from self._taken(frames, ended, 0)

    def _taken(self, frames: Sequence[Columns] | Columns, ended: Sequence[bool], first: int) -> Iterator[Delivery]:
        """Hand the frames of the rows from ``first`` on to their segments; those that have ended leave."""
        done: list[int] = []
        for row, (frame, end) in enumerate(zip(frames, ended, strict=True), first):
            entry = self._live[row]
            chunk = entry.take(frame, end)
            if chunk is not None:
                yield entry, chunk
                if chunk.end:
                    done.append(row)
        for row in reversed(done):
            self._retire(row)

    def _retire(self, row: int) -> None:
        last = self._live.pop()
        if row < len(self._live):
            self._engine.move(len(self._live), row)
            self._live[row] = last
