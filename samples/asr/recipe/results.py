"""Measured cells, and the tables of the data card made of them."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

WORD_TIMES = "word times"


@dataclass(frozen=True, slots=True)
class Spread:
    """Errors in seconds: median and 90th percentile of their size, and their mean with sign."""

    median: float
    p90: float
    bias: float

    @classmethod
    def of(cls, errors: list[float]) -> "Spread | None":
        """None if nothing was measured."""
        if not errors:
            return None
        sizes = np.abs(errors)
        return cls(float(np.median(sizes)), float(np.percentile(sizes, 90)), float(np.mean(errors)))


@dataclass(frozen=True, slots=True)
class Result:
    """One row in one mode; ``worst``: error rate of the worst file in percent; ``speed``: times real time."""

    row: str
    mode: str
    beam: int
    words: int
    errors: int
    exact: float
    speed: float
    worst: float | None = None
    start: Spread | None = None
    end: Spread | None = None

    @property
    def wer(self) -> float:
        """Word error rate in percent."""
        return 100 * self.errors / self.words if self.words else 0.0

    def as_json(self) -> dict[str, Any]:
        """All fields, and ``wer``."""
        return {**asdict(self), "wer": round(self.wer, 2)}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Result":
        """Read what ``as_json`` gave."""
        fields = {name: value for name, value in stored.items() if name != "wer"}
        for side in ("start", "end"):
            fields[side] = Spread(**fields[side]) if fields[side] else None
        return cls(**fields)


def markdown(results: list[Result]) -> str:
    """Three tables: files of many utterances (worst file in brackets), single utterances, word times."""
    modes = list(dict.fromkeys((r.mode, r.beam) for r in results if r.mode != WORD_TIMES))
    files = [key for key in modes if key[0].startswith(("sequential", "batched"))]
    singles = [key for key in modes if key not in files]
    tables = (_error_rates(results, files), _error_rates(results, singles), _word_times(results))
    return "\n\n".join(table for table in tables if table)


def _error_rates(results: list[Result], modes: list[tuple[str, int]]) -> str:
    rows = list(dict.fromkeys(r.row for r in results if (r.mode, r.beam) in modes))
    if not rows:
        return ""
    cells = {
        (r.row, r.mode, r.beam): f"{r.wer:.1f}" + (f" ({r.worst:.0f})" if r.worst is not None else "")
        for r in results
    }
    lines = [f"| word error rate, % | {' | '.join(rows)} |", "|---" * (len(rows) + 1) + "|"]
    for mode, beam in modes:
        values = " | ".join(cells.get((row, mode, beam), "-") for row in rows)
        lines.append(f"| {mode}, {'greedy' if beam == 1 else f'beam {beam}'} | {values} |")
    return "\n".join(lines)


def _word_times(results: list[Result]) -> str:
    lines = [
        "| word times, s | words | start: median, p90, bias | end: median, p90, bias |",
        "|---|---|---|---|",
    ]
    for r in results:
        if r.mode == WORD_TIMES and r.start and r.end:
            start, end = (f"{s.median:.2f}, {s.p90:.2f}, {s.bias:+.2f}" for s in (r.start, r.end))
            lines.append(f"| {r.row} | {r.words} | {start} | {end} |")
    return "\n".join(lines) if len(lines) > 2 else ""
