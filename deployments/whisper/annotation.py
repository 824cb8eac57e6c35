"""Scores of a text classifier for every segment, asked for by the replica that has just decoded them.

The classifier is another deployment of the graph; what it says travels on with the segments, so that no entrance
has to know of it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeGuard

from deployments.calls import Calls
from deployments.labelling import TextLabels
from deployments.whisper.types import Segment, TranscriptionEvent


class SegmentClassifier:
    """Classifies the segments of transcriptions."""

    def __init__(self, calls: Calls) -> None:
        self._labels = TextLabels(calls)

    async def annotate(
        self, events: Sequence[TranscriptionEvent], deadline: float | None
    ) -> list[TranscriptionEvent]:
        """The events, with ``classification`` in every segment that has text. ``deadline`` is Unix time.

        Waits while the classifier's queue is full, because the transcription has been admitted already. Raises
        Overloaded only when the deadline leaves no more time for that, ModelUnavailable, DeadlineExceeded.
        """
        texts = [event.text.strip() for event in events if _speaks(event)]
        if not texts:
            return list(events)
        scores = iter(await self._labels.of(texts, deadline))
        return [replace(event, classification=next(scores)) if _speaks(event) else event for event in events]


def _speaks(event: TranscriptionEvent) -> TypeGuard[Segment]:
    return isinstance(event, Segment) and bool(event.text.strip())
