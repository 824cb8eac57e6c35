"""The client's clips: which overlap, how much they ask for, in which order they are heard and answered.

Clips are heard in order of time, and disjoint ones share windows. Those that overlap make a group, of which each
is heard by itself. The audio is read once, so their windows come in the order of their ends; they are answered
clip after clip, as the client asked for them.
"""

from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from heapq import heapify, heappop, heapreplace
from typing import Generic, NamedTuple, TypeVar

from deployments.errors import AudioTooLong
from deployments.whisper.cuts.audio_buffer import AudioBuffer
from deployments.whisper.cuts.vad import Region
from deployments.whisper.types import LONGEST_AUDIO_S, Clip
from media.decode import SAMPLE_RATE

Item = TypeVar("Item")

LEAST_ALONE_S = 10.0
"""What a clip that overlaps others counts as at least: it takes a window of its own, however short it is."""


class NumberedClip(NamedTuple):
    """A clip in samples, ``end`` exclusive. ``number`` counts from 0 as the client asked."""

    start: int
    end: int
    number: int


class ClipPart(NamedTuple):
    """A window's worth of a clip that overlaps others. ``last`` if the clip ends with it, ``opening`` if the
    answer begins with it.
    """

    region: Region
    group: int
    clip: int
    last: bool
    opening: bool


def grouped(clips: Sequence[Clip]) -> list[list[NumberedClip]]:
    """Clips in order of time, those that overlap in one group, each group in the order asked for."""
    numbered = [
        NumberedClip(
            round(clip.start * SAMPLE_RATE),
            round((LONGEST_AUDIO_S if clip.end is None else clip.end) * SAMPLE_RATE),
            number,
        )
        for number, clip in enumerate(clips)
    ]
    groups: list[list[NumberedClip]] = []
    reach = 0
    for clip in sorted(numbered):
        if clip.start >= clip.end:
            continue
        if groups and clip.start < reach:
            groups[-1].append(clip)
        else:
            groups.append([clip])
        reach = max(reach, clip.end)
    return [sorted(group, key=lambda clip: clip.number) for group in groups]


class ClipTotals(NamedTuple):
    """Seconds of audio that clips ask for, and by how many those of groups exceed the time that they cover."""

    asked: float
    repeated: float


def totals(clips: Sequence[Clip], duration_s: float) -> ClipTotals:
    """Of a file that lasts ``duration_s``. In a group a clip counts as ten seconds at least."""
    length = round(duration_s * SAMPLE_RATE)
    asked = repeated = 0.0
    for group in grouped(clips):
        inside = [(clip.start, min(clip.end, length)) for clip in group if clip.start < length]
        seconds = [(end - start) / SAMPLE_RATE for start, end in inside]
        if len(group) == 1:
            asked += sum(seconds)
        elif inside:
            asked += sum(max(part, LEAST_ALONE_S) for part in seconds)
            covered = max(end for _, end in inside) - min(start for start, _ in inside)
            repeated += sum(seconds) - covered / SAMPLE_RATE
    return ClipTotals(asked, repeated)


def too_long(limit_s: float) -> AudioTooLong:
    """The refusal of clips that ask for more than ``limit_s``."""
    return AudioTooLong(
        f"The clips ask for more than {limit_s:g} s of audio in all, where one that overlaps others counts as "
        f"{LEAST_ALONE_S:g} s at least. Send fewer, or in several requests.",
        param="clip_timestamps",
    )


def clip_parts(
    buffer: AudioBuffer, window: int, clips: Sequence[Clip], limit_s: float
) -> Iterator[Region | ClipPart | None]:
    """What is heard of the clips as far as the audio reaches, at most a window at a time; None after a block that
    completed nothing. Raises AudioTooLong when groups exceed ``limit_s``.
    """
    heard_s = 0.0
    for index, group in enumerate(grouped(clips)):
        by_number = {clip.number: clip for clip in group}
        coming = [(min(clip.start + window, clip.end), clip.number, clip.start) for clip in group]
        heapify(coming)
        while coming:
            stop, number, start = coming[0]
            buffer.discard(stop - window)
            while buffer.end < stop and buffer.read() is not None:
                buffer.discard(stop - window)
                yield None
            region = Region(start, min(stop, buffer.end))
            clip = by_number[number]
            over = stop == clip.end or buffer.end < stop
            if over:
                heappop(coming)
            else:
                heapreplace(coming, (min(stop + window, clip.end), number, stop))
            if region.start >= region.end:
                continue
            if len(group) == 1:
                yield region
                continue
            begins = start == clip.start
            seconds = (region.end - region.start) / SAMPLE_RATE
            heard_s += max(seconds, LEAST_ALONE_S) if begins else seconds
            if heard_s > limit_s:
                raise too_long(limit_s)
            yield ClipPart(region, index, number, over, index == 0 and begins and clip is group[0])


class AskedOrder(Generic[Item]):
    """Puts what comes of clips that overlap into the order in which the client asked for them.

    Every item comes out with an offset in seconds. Its time plus that is its position, which never falls, also
    where times go back.
    """

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._groups = grouped(clips)
        self._waiting: deque[NumberedClip] = deque()  # of the present group; the first one has its turn
        self._held: dict[int, list[Item]] = {}
        self._heard_to: dict[int, int] = {}
        self._over: set[int] = set()
        self._latest: ClipPart | None = None
        self._position = self._reach = 0  # samples: where the turn begins, and the latest time heard before
        self._offset = 0

    def add(self, part: ClipPart | None, item: Item) -> Iterator[tuple[Item, float]]:
        """What is due now that ``item`` has come, which is a part of no group if ``part`` is None."""
        latest, self._latest = self._latest, part
        if latest is not None and (part is None or part.group != latest.group):
            yield from self.rest()
            latest = None
        if part is None:
            yield item, self._offset / SAMPLE_RATE
            return
        if latest is None:
            self._begin(part.group)
        elif latest is not part and latest.last:
            self._over.add(latest.clip)
        self._held.setdefault(part.clip, []).append(item)
        self._heard_to[part.clip] = part.region.end
        yield from self._due()

    def rest(self) -> Iterator[tuple[Item, float]]:
        """What still waits: its group is over."""
        self._over.update(clip.number for clip in self._waiting)
        yield from self._due()
        self._offset = self._position - self._reach

    def _begin(self, group: int) -> None:
        clips = self._groups[group]
        self._waiting.extend(clips)
        self._over.clear()
        self._heard_to.clear()
        self._reach = min(clip.start for clip in clips)
        self._position = self._reach + self._offset

    def _due(self) -> Iterator[tuple[Item, float]]:
        while self._waiting:
            clip = self._waiting[0]
            for item in self._held.pop(clip.number, ()):
                yield item, (self._position - clip.start) / SAMPLE_RATE
            if clip.number not in self._over:
                return
            self._waiting.popleft()
            heard_to = self._heard_to.get(clip.number, clip.start)
            self._position += heard_to - clip.start
            self._reach = max(self._reach, heard_to)


async def in_asked_order(
    items: AsyncGenerator[tuple[ClipPart | None, Item]], clips: Sequence[Clip]
) -> AsyncGenerator[tuple[Item, float]]:
    """The items as ``AskedOrder`` gives them out. Closing it closes ``items``."""
    order = AskedOrder[Item](clips)
    async with aclosing(items):
        async for part, item in items:
            for ready in order.add(part, item):
                yield ready
    for ready in order.rest():
        yield ready
