"""Scores of a text classifier for every segment, asked for by the replica that has just decoded them.

The classifier is another deployment of the graph; what it says travels on with the segments, so that no entrance
has to know of it.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeGuard

from deployments.calls import Calls
from deployments.errors import Overloaded
from deployments.whisper.types import Segment, TranscriptionEvent

LONGEST_WAIT_S = 5.0


class SegmentClassifier:
    """Calls ``label_texts`` of a classifier's deployment."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

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
        scores = iter(await self._ask(texts, deadline))
        return [replace(event, classification=next(scores)) if _speaks(event) else event for event in events]

    async def _ask(self, texts: list[str], deadline: float | None) -> list[dict[str, float]]:
        while True:
            try:
                found: list[dict[str, float]] = await self._calls.one("label_texts", deadline, texts, deadline)
                return found
            except Overloaded as error:
                wait = min(error.retry_after_s, LONGEST_WAIT_S)
                if deadline is not None and time.time() + wait >= deadline:
                    raise
            await asyncio.sleep(wait)


def _speaks(event: TranscriptionEvent) -> TypeGuard[Segment]:
    return isinstance(event, Segment) and bool(event.text.strip())
