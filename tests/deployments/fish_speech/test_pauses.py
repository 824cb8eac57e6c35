"""Silence between segments."""

from collections.abc import AsyncIterator

import numpy as np

from deployments.fish_speech.pauses import with_pauses
from deployments.fish_speech.synthesizer import Sound

RATE = 100


async def test_silence_is_before_between_and_after() -> None:
    async def sounds() -> AsyncIterator[Sound]:
        for segment in range(3):
            yield Sound(np.ones(5, np.float32), 1, segment)
            yield Sound(np.ones(0, np.float32), 1, segment, "spoken")

    heard = [one async for one in with_pauses(sounds(), (0.1, 0.0, 2.5, 0.2), RATE)]
    samples = np.concatenate([one.samples for one in heard])
    expected = [0] * 10 + [1] * 10 + [0] * 250 + [1] * 5 + [0] * 20
    assert samples.tolist() == expected
    assert sum(one.frames for one in heard) == 6
    assert [one.segment for one in heard if one.end] == [0, 1, 2]
    assert max(len(one.samples) for one in heard) == RATE, "long silence comes in blocks"


async def test_without_pauses_nothing_changes() -> None:
    async def sounds() -> AsyncIterator[Sound]:
        yield Sound(np.ones(5, np.float32), 1, 0, "cut")

    heard = [one async for one in with_pauses(sounds(), (0.0, 0.0), RATE)]
    assert [(len(one.samples), one.frames, one.end) for one in heard] == [(5, 1, "cut")]
