"""Blocks of float32 mono -> wav, pcm, flac, mp3, opus (in Ogg) or aac (ADTS), whole or as a stream.

Samples are clipped to [-1, 1] and NaN becomes 0. The 16-bit formats (wav, pcm, flac) hold
``rint(32768 * x)``, halves to even and 32768 saturated to 32767, so that 16-bit audio that was decoded to
``int16 / 32768`` comes back bit by bit. The lossy ones are given the floats.
"""

from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from media.codec_writer import CODECS, CodecWriter
from media.errors import ClientError
from media.pcm_writer import PcmWriter

AudioFormat = Literal["wav", "pcm", "flac", "mp3", "opus", "aac"]
FORMATS: tuple[AudioFormat, ...] = get_args(AudioFormat)

CONTENT_TYPES: Mapping[AudioFormat, str] = MappingProxyType(
    {
        "wav": "audio/wav",
        "pcm": "audio/pcm",
        "flac": "audio/flac",
        "mp3": "audio/mpeg",
        "opus": "audio/ogg",
        "aac": "audio/aac",
    }
)
EXTENSIONS: Mapping[AudioFormat, str] = MappingProxyType({name: f".{name}" for name in FORMATS})

MIN_RATE, MAX_RATE = 1_000, 655_350
"""Hz; the upper one is FLAC's."""


class AudioEncoder:
    """One stream of encoded audio.

    ``sample_rate`` is that of the blocks, in Hz, 1,000 to 655,350; mp3, opus and aac are resampled to the
    next rate that they know. ``bit_rate`` is in bits per second for these three (by default 128,000, 64,000
    and 96,000), lowered to what the codec can do at its rate; the others ignore it.

    With ``streamed``, bytes leave as soon as the codec has them, and never have to be changed later: a wav
    header says 0xFFFFFFFF instead of sizes, flac tells no length, mp3 carries no gapless information (players
    begin with some 1,100 samples of silence). Otherwise :meth:`finish` returns the whole file, with all of
    that. ADTS has no place for it either way: aac begins with 1,024 samples of silence.

    Raises :class:`ClientError` for an unknown format or bit rate, ``ValueError`` for an impossible sample
    rate.
    Blocking; use it in one thread at a time.
    """

    def __init__(
        self,
        audio_format: AudioFormat,
        sample_rate: int,
        *,
        bit_rate: int | None = None,
        streamed: bool = True,
    ) -> None:
        if audio_format not in FORMATS:
            raise ClientError(
                f"The audio format {audio_format!r} is not known; choose one of {', '.join(FORMATS)}."
            )
        if not MIN_RATE <= sample_rate <= MAX_RATE:
            raise ValueError(f"sample_rate must be {MIN_RATE} to {MAX_RATE} Hz, not {sample_rate}")
        self._finished = False
        self._writer: PcmWriter | CodecWriter = (
            CodecWriter(CODECS[audio_format], sample_rate, bit_rate, streamed)
            if audio_format in CODECS
            else PcmWriter(sample_rate, streamed, header=audio_format == "wav")
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, block: NDArray[np.floating[Any]]) -> bytes:
        """Encode ``block``, floats of shape (any,). Returns the bytes that are ready, often ``b""``."""
        if self._finished:
            raise ValueError("the encoder is finished")
        if block.ndim != 1:
            raise ValueError(f"a block is one-dimensional mono, not of shape {block.shape}")
        samples = np.nan_to_num(np.asarray(block, np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
        return self._writer.write(np.clip(samples, -1.0, 1.0, out=samples))

    def finish(self) -> bytes:
        """The last bytes; afterwards nothing can be written."""
        if self._finished:
            return b""
        self._finished = True
        return self._writer.finish()

    def close(self) -> None:
        """Release everything, whether it is finished or abandoned."""
        self._finished = True
        self._writer.close()


def encode(
    samples: NDArray[np.floating[Any]],
    audio_format: AudioFormat,
    sample_rate: int,
    *,
    bit_rate: int | None = None,
) -> bytes:
    """A whole file of ``samples``, floats of shape (any,). For the rest see :class:`AudioEncoder`."""
    with AudioEncoder(audio_format, sample_rate, bit_rate=bit_rate, streamed=False) as encoder:
        return encoder.write(samples) + encoder.finish()
