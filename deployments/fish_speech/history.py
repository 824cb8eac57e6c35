"""What of a long text's past goes into the prompt of its next segment."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

RESERVED = 1_024  # columns left to the speech that is to come
BEGINNING = 2  # items that are always kept: they set the voice

Item = TypeVar("Item", bound=NDArray[np.generic])


def kept_items(items: Sequence[Item], context: int, opening: int) -> list[Item]:
    """Those items that go into the prompt, in order.

    ``items`` are the columns, (1 + codebooks, any), of the first segment's prompt, of its frames, of the second
    one's prompt, and so on; the last is the prompt of the segment that is next. ``context`` is how many columns
    the model looks back at, ``opening`` how many the system prompt and the references take.

    Either everything is kept, or the first two items and as many of the last as there is room for: whole segments
    with their frames, and the next one's prompt in any case. Room is counted as the original does it, the oldest
    kept item twice. Contexts too small to reserve room for speech as it does reserve half.
    """
    budget = _budget(context, opening)
    used = last = 0
    for last, item in enumerate(reversed(items)):  # noqa: B007
        used += item.shape[1]
        if used + item.shape[1] > budget:
            break
    if last and last % 2 == 0:
        last -= 1
    last = max(last, 1)  # the original repeats the whole history when not even one item fits
    if last >= len(items) - BEGINNING:
        return list(items)
    return [*items[:BEGINNING], *items[-last:]]


def bounded_items(
    items: Sequence[Item], context: int, opening: int, history: int, *, voice_is_set: bool
) -> list[Item]:
    """The same for a model that was trained with at most ``history`` columns of earlier segments.

    Kept are as many of the last segments as they hold, whole ones with their frames. Unless references have set
    the voice, the first segment sets it: it is kept before all others, even where it alone is longer.
    """
    *earlier, asked = items
    segments = list(zip(earlier[::2], earlier[1::2], strict=True))
    beginning = [] if voice_is_set else segments[:1]
    room = min(history, _budget(context, opening) - asked.shape[1]) - sum(map(_columns, beginning))
    last: list[tuple[Item, Item]] = []
    for segment in reversed(segments[len(beginning) :]):
        room -= _columns(segment)
        if room < 0:
            break
        last.append(segment)
    return [*(item for segment in (*beginning, *reversed(last)) for item in segment), asked]


def _budget(context: int, opening: int) -> int:
    return context - opening - (RESERVED if context > RESERVED else context // 2)


def _columns(segment: tuple[Item, Item]) -> int:
    return sum(item.shape[1] for item in segment)
