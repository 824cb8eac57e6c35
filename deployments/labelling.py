"""Scores of a text classifier, asked for by a replica of another family.

The classifier is another deployment of the graph. It answers in plain types, so that families do not know each
other.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployments.calls import Calls
from deployments.errors import Overloaded

LONGEST_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """``scores`` (0 to 1) by label, each the highest of the ``pieces`` that the text was read in; ``unread`` tells
    that something of it could not be read.
    """

    scores: Mapping[str, float]
    pieces: int
    unread: bool = False


class TextLabels:
    """Calls ``label_texts`` and ``judge_text`` of a classifier's deployment.

    Both wait while the classifier's queue is full, because the caller's request has been admitted already. They
    raise Overloaded only when the deadline leaves no more time for that, ModelUnavailable, DeadlineExceeded.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def of(self, texts: list[str], deadline: float | None) -> list[dict[str, float]]:
        """Probabilities by label for every text, in order. ``deadline`` is Unix time."""
        scores: list[dict[str, float]] = await self._patiently("label_texts", texts, deadline)
        return scores

    async def judge(self, text: str, deadline: float | None) -> Judgement:
        """What is found anywhere in a text of any length. ``deadline`` is Unix time."""
        return Judgement(*await self._patiently("judge_text", text, deadline))

    async def _patiently(self, method: str, work: Any, deadline: float | None) -> Any:
        while True:
            try:
                return await self._calls.one(method, deadline, work, deadline)
            except Overloaded as error:
                wait = min(error.retry_after_s, LONGEST_WAIT_S)
                if deadline is not None and time.time() + wait >= deadline:
                    raise
            await asyncio.sleep(wait)
