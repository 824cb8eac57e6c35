"""A progress bar on standard error."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

PATIENCE_S = 1.5  # what is done by then needs no bar


class Bar:
    """A bar that appears when the work takes longer, and goes when it is done. ``unit`` is what it counts."""

    def __init__(self, unit: str, *, shown: bool) -> None:
        self.shown = shown
        self._began = time.monotonic()
        self._bar: tqdm[Any] = tqdm(
            unit=f" {unit}", delay=PATIENCE_S, leave=False, disable=not shown, file=sys.stderr, dynamic_ncols=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._due:
            self._bar.clear()  # closing leaves a bar that only say has shown
        self._bar.close()

    def advance(self, count: float) -> None:
        """``count`` more units are done."""
        self._bar.update(count)

    def say(self, text: str) -> None:
        """What is going on, in front of the bar."""
        self._bar.set_description(text, refresh=self._due)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Hide the bar while something else is written to the terminal."""
        with tqdm.external_write_mode(file=sys.stdout) if self._due else nullcontext():
            yield

    @property
    def _due(self) -> bool:
        return time.monotonic() - self._began > PATIENCE_S
