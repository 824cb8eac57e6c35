"""Scores of a text classifier, asked for by a replica of another family.

The classifier is another deployment of the graph. It answers in plain types, so that families do not know each
other.
"""

import asyncio
import time

from deployments.calls import Calls
from deployments.errors import Overloaded

LONGEST_WAIT_S = 5.0


class TextLabels:
    """Calls ``label_texts`` of a classifier's deployment."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def of(self, texts: list[str], deadline: float | None) -> list[dict[str, float]]:
        """Probabilities by label for every text, in order. ``deadline`` is Unix time.

        Waits while the classifier's queue is full, because the caller's request has been admitted already. Raises
        Overloaded only when the deadline leaves no more time for that, ModelUnavailable, DeadlineExceeded.
        """
        while True:
            try:
                scores: list[dict[str, float]] = await self._calls.one("label_texts", deadline, texts, deadline)
                return scores
            except Overloaded as error:
                wait = min(error.retry_after_s, LONGEST_WAIT_S)
                if deadline is not None and time.time() + wait >= deadline:
                    raise
            await asyncio.sleep(wait)
