"""Which sound of a file is to be transcribed, and which one was."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

MAX_TRACKS = 64
LONGEST_TAG = 35
MAX_CHANNELS = 32
MOST_APART = 8
"""Channels of one request that are transcribed each by itself."""

ChannelNumber = Annotated[int, Field(ge=0, lt=MAX_CHANNELS)]
Channels = (
    Literal["mix", "split"] | Annotated[tuple[ChannelNumber, ...], Field(min_length=1, max_length=MOST_APART)]
)
"""All channels mixed; each by itself; or those with these numbers, from 0, each by itself if they are several."""

AudioTrack = (
    Annotated[int, Field(ge=0, lt=MAX_TRACKS)] | Annotated[str, Field(min_length=2, max_length=LONGEST_TAG)]
)
"""An audio track by its number among those of the file, from 0, or by its language's tag."""


@dataclass(frozen=True, slots=True)
class HeardTrack:
    """The sound that was transcribed: a file's audio track, by its number from 0, and what the file says of it.

    ``codec`` in libav's words, ``sample_rate`` in Hz, ``language`` an ISO 639-1 code where there is one.
    ``channels`` is how many the track has; ``heard`` are those that were transcribed, none for a mix of all;
    ``apart`` if each of them was transcribed by itself, so that segments name their channel.
    """

    index: int
    codec: str
    sample_rate: int
    channels: int
    heard: tuple[int, ...] = ()
    apart: bool = False
    language: str | None = None
    title: str | None = None
