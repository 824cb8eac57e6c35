"""Samples without a header."""

from dataclasses import dataclass
from typing import Literal

from media.errors import UndecodableAudio

MIN_RATE, MAX_RATE = 1_000, 768_000
"""Sample rates in Hz that are believed: outside, a few bytes become hours or filters of gigabytes."""
MAX_CHANNELS = 8

ByteOrder = Literal["little", "big"]
Encoding = Literal["signed", "unsigned", "float", "mu-law", "a-law", "g722"]

BITS: dict[Encoding, tuple[int, ...]] = {
    "signed": (8, 16, 24, 32),
    "unsigned": (8,),
    "float": (32, 64),
    "mu-law": (8,),
    "a-law": (8,),
    "g722": (8,),
}
"""How many bits a sample may have. G.722, a codec without a header, has two samples of one channel in a byte."""
G722_RATE = 16_000


@dataclass(frozen=True, slots=True)
class RawPcm:
    """Headerless samples, channels interleaved: what ``audio/pcm``, ``audio/L16`` and the like are."""

    sample_rate: int = 16_000
    """Hz, 1,000 to 768,000."""
    channels: int = 1
    """1 to 8."""
    byte_order: ByteOrder = "little"
    bits: int = 16
    """Of a sample: 8, 16, 24 or 32, of floats 32 or 64."""
    encoding: Encoding = "signed"

    def demuxer(self) -> tuple[str, dict[str, str]]:
        """libav's demuxer for it, and its options. Raises :class:`UndecodableAudio` for what cannot be read."""
        if not MIN_RATE <= self.sample_rate <= MAX_RATE:
            raise UndecodableAudio(
                f"Raw PCM at {self.sample_rate} Hz cannot be read; send {MIN_RATE} to {MAX_RATE} Hz."
            )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise UndecodableAudio(
                f"Raw PCM with {self.channels} channels cannot be read; send 1 to {MAX_CHANNELS} channels."
            )
        if self.bits not in BITS[self.encoding]:
            raise UndecodableAudio(
                f"Raw PCM with {self.bits} bits ({self.encoding}) cannot be read; "
                f"send {' or '.join(map(str, BITS[self.encoding]))} bits."
            )
        if self.encoding == "g722":
            if (self.sample_rate, self.channels) != (G722_RATE, 1):
                raise UndecodableAudio(f"G.722 is mono at {G722_RATE} Hz; send it so.")
            return "g722", {}
        options = {"sample_rate": str(self.sample_rate), "ch_layout": f"{self.channels}c"}
        return self._name(), options

    def _name(self) -> str:
        match self.encoding:
            case "mu-law" | "a-law":
                return self.encoding.replace("-", "")
            case "signed" | "unsigned" | "float":
                order = "" if self.bits == 8 else {"little": "le", "big": "be"}[self.byte_order]
                return f"{self.encoding[0]}{self.bits}{order}"
        raise AssertionError(self.encoding)
