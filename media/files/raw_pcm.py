"""Samples without a header."""

from dataclasses import dataclass
from typing import Literal

from media.errors import UndecodableAudio

MIN_RATE, MAX_RATE = 1_000, 768_000
"""Sample rates in Hz that are believed: outside, a few bytes become hours or filters of gigabytes."""
MAX_CHANNELS = 8


@dataclass(frozen=True, slots=True)
class RawPcm:
    """Headerless 16-bit PCM, channels interleaved (``audio/pcm``, ``audio/raw``, ``audio/L16``)."""

    sample_rate: int = 16_000
    """Hz, 1,000 to 768,000."""
    channels: int = 1
    """1 to 8."""
    byte_order: Literal["little", "big"] = "little"
    """RFC 3551 says ``big`` for ``audio/L16``; most clients mean ``little`` all the same."""

    def demuxer(self) -> tuple[str, dict[str, str]]:
        """libav's demuxer for it, and its options. Raises :class:`UndecodableAudio`."""
        if not MIN_RATE <= self.sample_rate <= MAX_RATE:
            raise UndecodableAudio(
                f"Raw PCM at {self.sample_rate} Hz cannot be read; send {MIN_RATE} to {MAX_RATE} Hz."
            )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise UndecodableAudio(
                f"Raw PCM with {self.channels} channels cannot be read; send 1 to {MAX_CHANNELS} channels."
            )
        demuxer = "s16le" if self.byte_order == "little" else "s16be"
        return demuxer, {"sample_rate": str(self.sample_rate), "ch_layout": f"{self.channels}c"}
