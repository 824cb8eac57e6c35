"""Segments and progress as the ``ivrit`` package reads them. It refuses any key that it does not know."""

import math
from typing import Any

from deployments.whisper.types import Progress, Segment
from serve_app.tasks.transcription.formats import segment_object


def segment_value(segment: Segment, *, words: bool = True, extra: bool = True) -> dict[str, Any]:
    """A segment: six keys, its words five each. All else that is known of it is in ``extra_data``."""
    known = segment_object(segment, segment.id)
    plain = {key: known.pop(key) for key in ("text", "start", "end")}
    return plain | {
        "speakers": [],
        "words": word_values(segment) if words else [],
        "extra_data": {**known, "language": segment.language} if extra else {},
    }


def word_values(segment: Segment) -> list[dict[str, Any]]:
    """The words of a segment, with the space in front; times in seconds."""
    return [
        {
            "word": word.word,
            "start": _rounded(word.start, 3),
            "end": _rounded(word.end, 3),
            "probability": _rounded(word.probability, 6),
            "speaker": None,
        }
        for word in segment.words
    ]


def older_segment(value: dict[str, Any]) -> dict[str, Any]:
    """A segment as the worker before August 2025 had it, whose keys were all on one level."""
    return {**value["extra_data"], **value}


def progress_value(progress: Progress) -> dict[str, Any]:
    """How far a transcription is. The fraction is 0 where the file does not say its length."""
    done, total = _rounded(progress.processed, 3), progress.total and _rounded(progress.total, 3)
    description = f"Transcribed {done:.1f} s" + (f" of {total:.1f} s" if total else "")
    return {
        "phase": "transcription",
        "step": "decode",
        "step_fraction": round(min(1.0, done / total), 4) if total else 0.0,
        "description": description,
        "extra": {"processed_seconds": done, "total_seconds": total},
    }


def entry(kind: str, data: Any, index: int | None) -> dict[str, Any]:
    """One entry of the typed stream; ``index`` is that of the file in a list of files."""
    return {**({} if index is None else {"index": index}), "type": kind, "data": data}


def _rounded(value: float, digits: int) -> float:
    value = float(value)
    return round(max(0.0, value), digits) if math.isfinite(value) else 0.0
