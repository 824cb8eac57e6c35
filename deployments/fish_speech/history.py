"""What of a long text's past is shown to the model when it speaks the next segment."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Columns = NDArray[np.int32]

RESERVED = 1_024  # columns kept free for what is to be spoken
SHORT = 1_280  # contexts up to this length keep half of them free instead


def kept_items(items: Sequence[Columns], context: int, opening: int) -> list[Columns]:
    """Which of the items [segment, speech, segment, speech, ..., segment] stand in the prompt, after an opening.

    All of them while there is room; then the first segment with its speech, which hold the voice, and the last
    ones. The rule is fish-speech's: it counts the length of the item that it is about to take twice. Where not even
    the newest item fits by that rule it stands alone with the first two.
    """
    budget = context - (RESERVED if context > SHORT else context // 2) - opening
    count = taken = 0
    for item in reversed(items):
        length = item.shape[1]
        count += length
        if count + length > budget:
            break
        taken += 1
    if taken and taken % 2 == 0:
        taken -= 1
    if taken == 0:  # the original would repeat the whole past
        taken = 1
    return [*items[:2], *items[-taken:]] if taken < len(items) - 2 else list(items)
