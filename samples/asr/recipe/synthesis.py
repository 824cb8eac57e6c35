"""What all speech engines share: trimming, resampling, speakers made from speakers."""

import subprocess
import wave
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from .speech import RATE, Span


@dataclass(frozen=True, slots=True)
class Take:
    """Trimmed speech at 16 kHz (float32 in the int16 range) and its word times, if known."""

    audio: NDArray[np.float32]
    times: list[Span] | None


def trim(audio: NDArray[np.float32], rate: int, times: list[Span] | None) -> Take | None:
    """Cut the silence at both ends and resample to 16 kHz; None if there is only silence."""
    loud = np.nonzero(np.abs(audio) > max(120, np.abs(audio).max() * 0.012))[0]
    if not len(loud):
        return None
    first = max(0, int(loud[0]) - int(0.01 * rate))
    last = min(len(audio), int(loud[-1]) + int(0.02 * rate))
    if times:
        shift, length = first / rate, (last - first) / rate
        inside = [(min(length, max(0.0, a - shift)), min(length, max(0.0, b - shift))) for a, b in times]
        inside[0] = (0.0, inside[0][1])
        inside[-1] = (inside[-1][0], length)
        times = inside
    common = gcd(RATE, rate)
    resampled = resample_poly(audio[first:last], RATE // common, rate // common)
    return Take(resampled.astype(np.float32), times)


def shift_speaker(take: Take | None, factor: float) -> Take | None:
    """Resample: pitch and formants move together (the engine's own duration setting makes up for the speed)."""
    if take is None or abs(factor - 1) < 0.01:
        return take
    positions = np.arange(int(len(take.audio) / factor)) * factor
    audio = np.interp(positions, np.arange(len(take.audio)), take.audio).astype(np.float32)
    return Take(audio, take.times and [(start / factor, end / factor) for start, end in take.times])


def read_wav(path: Path) -> tuple[NDArray[np.float32], int]:
    """Samples (int16 range) and rate of a mono file."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return samples.astype(np.float32), file.getframerate()


def run(*command: str) -> str:
    """Standard output of a program."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
