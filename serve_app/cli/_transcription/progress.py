"""The progress bar: seconds of audio of all inputs together."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

PATIENCE_S = 1.5  # what is done by then needs no bar


class ProgressBar:
    """A bar on standard error that appears when the work takes longer, and goes when it is done."""

    def __init__(self, inputs: int, *, shown: bool) -> None:
        self.shown = shown
        self._began = time.monotonic()
        self._totals: list[float | None] = [None] * inputs
        self._done = [0.0] * inputs
        self._bar: tqdm[Any] = tqdm(
            unit=" audio s", delay=PATIENCE_S, leave=False, disable=not shown, file=sys.stderr, dynamic_ncols=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def update(self, index: int, done: float, total: float | None = None) -> None:
        """``done`` seconds of an input are transcribed, of ``total`` if that is known."""
        self._done[index] = max(self._done[index], done)
        self._totals[index] = total if total is not None else self._totals[index]
        known = [total for total in self._totals if total is not None]
        self._bar.total = int(sum(known)) if len(known) == len(self._totals) else None
        self._bar.update(int(sum(self._done)) - self._bar.n)

    def finish(self, index: int) -> None:
        """An input is done."""
        self.update(index, self._totals[index] or 0.0)

    def say(self, text: str) -> None:
        """What is going on, in front of the bar."""
        self._bar.set_description(text, refresh=time.monotonic() - self._began > PATIENCE_S)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Hide the bar while something else is written to the terminal."""
        with tqdm.external_write_mode(file=sys.stdout):
            yield
