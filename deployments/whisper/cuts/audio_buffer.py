"""The audio of one request, while it is being read and cut."""

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


class AudioBuffer:
    """The blocks of a stream that are still needed, addressed by sample from the start of the audio."""

    def __init__(self, blocks: Iterable[Samples]) -> None:
        self._blocks: Iterator[Samples] = iter(blocks)
        self._held: deque[Samples] = deque()
        self._start = 0
        self.end = 0

    def read(self) -> Samples | None:
        """Take the next block in and return it; None at the end."""
        block = next(self._blocks, None)
        if block is not None:
            self._held.append(block)
            self.end += len(block)
        return block

    def discard(self, before: int) -> None:
        """Forget blocks that end before a position."""
        while self._held and self._start + len(self._held[0]) <= before:
            self._start += len(self._held.popleft())

    def cut(self, start: int, end: int) -> Samples:
        """Samples ``start`` to ``end`` as one array, which must not have been discarded."""
        parts, position = [], self._start
        for block in self._held:
            low, high = max(start - position, 0), min(end - position, len(block))
            if low < high:
                parts.append(block[low:high])
            position += len(block)
        return np.concatenate(parts) if parts else np.empty(0, np.float32)
