"""How far a download is, reported at a readable pace from whichever thread moves the bytes."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

INTERVAL_S = 0.2


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """Bytes that are here, of how many."""

    done: int
    total: int

    @property
    def fraction(self) -> float:
        """From 0 to 1."""
        return 1.0 if self.total <= 0 else min(1.0, self.done / self.total)


OnProgress = Callable[[DownloadProgress], None]


class Meter:
    """Counts bytes from several threads and reports at most five times a second, and at the end."""

    def __init__(self, on_progress: OnProgress, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._on_progress, self._total, self._clock = on_progress, total, clock
        self._lock = threading.Lock()
        self._done = 0
        self._reported_at = float("-inf")

    def add(self, count: float) -> None:
        """``count`` more bytes are here; a negative count takes back what has to be fetched again."""
        with self._lock:
            self._done += int(count)
            self._report(self._done >= self._total)

    def reach(self, count: float) -> None:
        """``count`` bytes are here altogether; less than before is ignored."""
        with self._lock:
            if count > self._done:
                self._done = int(count)
                self._report(self._done >= self._total)

    def finish(self) -> None:
        """Everything is here."""
        with self._lock:
            if self._done != self._total or self._reported_at == float("-inf"):
                self._done = self._total
                self._report(True)

    def _report(self, now_or_never: bool) -> None:
        now = self._clock()
        if now_or_never or now - self._reported_at >= INTERVAL_S:
            self._reported_at = now
            self._on_progress(DownloadProgress(min(max(self._done, 0), self._total), self._total))
