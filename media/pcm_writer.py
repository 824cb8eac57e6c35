"""Samples -> 16-bit PCM, with or without a wav header."""

import struct

import numpy as np
from numpy.typing import NDArray

_UNKNOWN_SIZE = 0xFFFF_FFFF


class PcmWriter:
    """s16le bytes of float32 samples in [-1, 1]; with ``header``, a wav file.

    ``streamed`` bytes leave at once, behind a header of unknown sizes; otherwise ``finish`` returns all.
    """

    def __init__(self, sample_rate: int, streamed: bool, *, header: bool) -> None:
        self._rate, self._streamed, self._header = sample_rate, streamed, header
        self._pending = bytearray(wav_header(sample_rate, None) if streamed and header else b"")

    def write(self, samples: NDArray[np.float32]) -> bytes:
        self._pending += to_int16(samples).tobytes()
        return self._take() if self._streamed else b""

    def finish(self) -> bytes:
        if self._header and not self._streamed:
            self._pending[:0] = wav_header(self._rate, len(self._pending))
        return self._take()

    def close(self) -> None:
        self._pending.clear()

    def _take(self) -> bytes:
        data = bytes(self._pending)
        self._pending.clear()
        return data


def to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """``rint(32768 * x)`` of samples in [-1, 1], halves to even, 32768 saturated to 32767; little-endian."""
    scaled: NDArray[np.float32] = np.rint(samples * np.float32(32768))
    return np.minimum(scaled, np.float32(32767)).astype("<i2")


def wav_header(sample_rate: int, size: int | None) -> bytes:
    """44 bytes for mono s16; ``size`` is that of the samples in bytes, None when it is not known yet."""
    data = _UNKNOWN_SIZE if size is None else min(size, _UNKNOWN_SIZE)
    riff = min(data + 36, _UNKNOWN_SIZE)
    form = struct.pack("<IHHIIHH", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + form + b"data" + struct.pack("<I", data)
