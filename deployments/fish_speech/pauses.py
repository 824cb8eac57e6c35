"""Silence between the pieces of a text, where the text asks for it."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from deployments.fish_speech.synthesizer import Sound

BLOCK_S = 1.0  # of silence at once


async def with_pauses(
    sounds: AsyncIterator["Sound"], pauses: Sequence[float], sample_rate: float
) -> AsyncGenerator["Sound"]:
    """The sounds of an utterance, and silence that belongs to no frame: ``pauses`` are its seconds before each
    segment and after the last, ``sample_rate`` is that of the sounds in Hz.
    """
    begun = False
    async for sound in sounds:
        if not begun:
            begun = True
            for samples in _silence(pauses[0], sample_rate):
                yield replace(sound, samples=samples, frames=0, end="")
        yield sound
        if sound.end:
            for samples in _silence(pauses[sound.segment + 1], sample_rate):
                yield replace(sound, samples=samples, frames=0, end="")


def _silence(seconds: float, sample_rate: float) -> Iterator[NDArray[np.float32]]:
    left, block = round(seconds * sample_rate), round(BLOCK_S * sample_rate)
    while left > 0:
        yield np.zeros(min(left, block), np.float32)
        left -= block
