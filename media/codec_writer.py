"""Samples -> a compressed format, through libav."""

import io
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.error import FFmpegError
from numpy.typing import NDArray

from media.errors import ClientError
from media.pcm_writer import to_int16

_FRAME_SAMPLES = 65_536


@dataclass(frozen=True, slots=True)
class OutputCodec:
    """How libav makes a format."""

    muxer: str
    encoder: str
    sample_format: Literal["s16", "flt"]
    bit_rates: tuple[int, int, int] | None = None
    """Bits per second: default, least, most; None for lossless codecs."""
    options: Mapping[str, str] = field(default_factory=dict)
    """For the muxer."""


CODECS: Mapping[str, OutputCodec] = {
    "flac": OutputCodec("flac", "flac", "s16"),
    "mp3": OutputCodec("mp3", "libmp3lame", "flt", (128_000, 8_000, 320_000), {"id3v2_version": "0"}),
    "opus": OutputCodec(
        "ogg", "libopus", "flt", (64_000, 6_000, 256_000), {"page_duration": "100000", "fflags": "+bitexact"}
    ),
    "aac": OutputCodec("adts", "aac", "flt", (96_000, 8_000, 256_000)),
}


class CodecWriter:
    """A libav encoder and muxer that write into memory; takes float32 samples in [-1, 1].

    ``streamed`` bytes leave at once and are final; otherwise ``finish`` returns the whole file.
    Raises :class:`ClientError` for a bit rate that the codec cannot have.
    """

    def __init__(self, codec: OutputCodec, sample_rate: int, bit_rate: int | None, streamed: bool) -> None:
        self._codec, self._rate = codec, sample_rate
        self._written = 0
        rate = _codec_rate(codec, sample_rate)
        wanted = _codec_bit_rate(codec, bit_rate, rate)
        self._sink = _Stream() if streamed else io.BytesIO()
        options = {**codec.options, "flush_packets": "1"}
        self._container = av.open(self._sink, "w", format=codec.muxer, container_options=options)
        track = self._container.add_stream(codec.encoder, rate=rate, layout="mono")
        assert isinstance(track, AudioStream)
        self._track = track
        self._track.codec_context.thread_count = 1
        if wanted is not None:
            self._track.codec_context.bit_rate = wanted

    def write(self, samples: NDArray[np.float32]) -> bytes:
        pcm = to_int16(samples) if self._codec.sample_format == "s16" else samples
        for start in range(0, pcm.size, _FRAME_SAMPLES):
            part = pcm[None, start : start + _FRAME_SAMPLES]
            frame = AudioFrame.from_ndarray(part, format=self._codec.sample_format, layout="mono")
            frame.sample_rate = self._rate
            frame.time_base, frame.pts = Fraction(1, self._rate), self._written
            self._written += part.size
            self._container.mux(self._track.encode(frame))
        return self._sink.take() if isinstance(self._sink, _Stream) else b""

    def finish(self) -> bytes:
        self._container.start_encoding()  # for the header of a file without samples
        self._container.mux(self._track.encode(None))
        self._container.close()
        return self._sink.take() if isinstance(self._sink, _Stream) else self._sink.getvalue()

    def close(self) -> None:
        with suppress(FFmpegError):
            self._container.close()


class _Stream:
    """A file that libav can only append to, emptied by ``take``."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def write(self, data: bytes) -> int:
        self._pending += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._pending)
        self._pending.clear()
        return data


def _codec_rate(codec: OutputCodec, sample_rate: int) -> int:
    """The lowest rate of the codec that loses nothing, else its highest."""
    known = sorted(av.Codec(codec.encoder, "w").audio_rates or [sample_rate])
    return next((rate for rate in known if rate >= sample_rate), known[-1])


def _codec_bit_rate(codec: OutputCodec, wanted: int | None, rate: int) -> int | None:
    if codec.bit_rates is None:
        return None
    default, least, most = codec.bit_rates
    if wanted is not None and not least <= wanted <= most:
        raise ClientError(f"The bit rate {wanted} is not possible here; choose {least} to {most} bits per second.")
    if codec.encoder == "libmp3lame":  # MPEG 2.5, 2 and 1 have different tables
        most = 64_000 if rate <= 12_000 else 160_000 if rate <= 24_000 else most
    return min(wanted or default, most)
