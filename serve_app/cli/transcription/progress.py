"""The progress bar: seconds of audio of all inputs together."""

from serve_app.cli.progress import Bar


class ProgressBar(Bar):
    """A bar over several inputs, some of which do not tell their length."""

    def __init__(self, inputs: int, *, shown: bool) -> None:
        super().__init__("audio s", shown=shown)
        self._totals: list[float | None] = [None] * inputs
        self._done = [0.0] * inputs

    def update(self, index: int, done: float, total: float | None = None) -> None:
        """``done`` seconds of an input are transcribed, of ``total`` if that is known."""
        self._done[index] = max(self._done[index], done)
        self._totals[index] = total if total is not None else self._totals[index]
        known = [total for total in self._totals if total is not None]
        self._bar.total = int(sum(known)) if len(known) == len(self._totals) else None
        self.advance(int(sum(self._done)) - self._bar.n)

    def finish(self, index: int) -> None:
        """An input is done."""
        self.update(index, self._totals[index] or 0.0)
