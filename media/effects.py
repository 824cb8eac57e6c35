"""Tempo, volume and sample rate of a stream of float32 mono."""

import math
from contextlib import suppress
from fractions import Fraction

import numpy as np
from av.audio.frame import AudioFrame
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as NoMore
from av.filter import Graph
from numpy.typing import NDArray

from media.files.raw_pcm import MAX_RATE, MIN_RATE

MIN_SPEED, MAX_SPEED = 0.25, 4.0

_FRAME_SAMPLES = 512
"""libav is always given frames of this size, so that its results do not depend on the caller's blocks."""

_PADDING_S = 0.5
"""Silence pushed behind the sound: libav's tempo filter keeps back, and would lose, up to 80 ms of it."""

_LATE_S = 0.02
"""The tempo filter shifts what it overlaps by a few milliseconds, so the last sound may come that much late."""

_SILENCE = 1e-4


class AudioEffects:
    """Changes one stream of sound.

    ``sample_rate`` and ``output_rate`` (by default the same) are in Hz, 1,000 to 768,000. ``speed`` 0.25 to 4 is a
    factor of the tempo; the pitch stays. ``volume_db`` is in decibels. The samples that come out do not depend on
    the blocks that go in. There are ``input * output_rate / sample_rate / speed`` of them, rounded, and with a
    tempo up to 20 ms more where the sound would be cut off otherwise. If nothing is asked for, blocks pass as
    they are; otherwise they are clipped to [-1, 1] and NaN becomes 0.

    Raises ``ValueError`` for impossible rates and speeds. Blocking; use it in one thread at a time.
    """

    def __init__(
        self, sample_rate: int, *, output_rate: int | None = None, speed: float = 1.0, volume_db: float = 0.0
    ) -> None:
        self.output_rate = output_rate or sample_rate
        for rate in (sample_rate, self.output_rate):
            if not MIN_RATE <= rate <= MAX_RATE:
                raise ValueError(f"a sample rate must be {MIN_RATE} to {MAX_RATE} Hz, not {rate}")
        if not MIN_SPEED <= speed <= MAX_SPEED:
            raise ValueError(f"speed must be {MIN_SPEED} to {MAX_SPEED}, not {speed}")
        self._rate, self._speed = sample_rate, speed
        self._gain = np.float32(10 ** (volume_db / 20))
        self._asked = self.output_rate != sample_rate or speed != 1 or volume_db != 0
        self._finished = False
        self._graph: Graph | None = None
        self._pending = np.zeros(0, np.float32)
        self._pushed = self._returned = self._sent = 0
        if self.output_rate != sample_rate or speed != 1:
            self._graph = _graph(sample_rate, self.output_rate, speed)

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next samples, of shape (any,); returns those that are ready, of shape (any,)."""
        if self._finished:
            raise ValueError("the effects are finished")
        if not self._asked:
            return block
        block = np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0)
        if self._graph is not None:
            self._pushed += block.size
            block = self._filtered(self._graph, block)
            self._returned += block.size
        return self._loud(block)

    def flush(self) -> NDArray[np.float32]:
        """The rest; afterwards nothing can be pushed."""
        self._finished = True
        if self._graph is None:
            return np.zeros(0, np.float32)
        padding = -(-int(_PADDING_S * self._rate) // _FRAME_SAMPLES) * _FRAME_SAMPLES
        padding += -self._pending.size % _FRAME_SAMPLES
        rest = self._filtered(self._graph, np.zeros(padding, np.float32))
        wanted = round(self._pushed * self.output_rate / self._rate / self._speed) - self._returned
        if self._speed != 1:
            late = wanted + int(_LATE_S * self.output_rate)
            audible = np.flatnonzero(np.abs(rest[:late]) > _SILENCE)
            wanted = max(wanted, int(audible[-1]) + 1 if audible.size else 0)
        self.close()
        return self._loud(rest[: max(wanted, 0)])

    def close(self) -> None:
        """Release everything, whether it is flushed or abandoned."""
        self._finished = True
        self._graph = None
        self._pending = np.zeros(0, np.float32)

    def _filtered(self, graph: Graph, block: NDArray[np.float32]) -> NDArray[np.float32]:
        samples = np.concatenate([self._pending, block])
        parts = [np.zeros(0, np.float32)]
        whole = samples.size - samples.size % _FRAME_SAMPLES
        for start in range(0, whole, _FRAME_SAMPLES):
            frame = AudioFrame.from_ndarray(
                samples[None, start : start + _FRAME_SAMPLES], format="flt", layout="mono"
            )
            frame.sample_rate = self._rate
            frame.time_base, frame.pts = Fraction(1, self._rate), self._sent
            self._sent += _FRAME_SAMPLES
            graph.push(frame)
            with suppress(NothingYet, NoMore):
                while True:
                    parts.append(_samples(graph))
        self._pending = samples[whole:]
        return np.concatenate(parts)

    def _loud(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        louder: NDArray[np.float32] = np.clip(samples * self._gain, -1.0, 1.0)
        return louder


def _samples(graph: Graph) -> NDArray[np.float32]:
    frame = graph.pull()
    assert isinstance(frame, AudioFrame)
    samples: NDArray[np.float32] = frame.to_ndarray()[0].astype(np.float32, copy=False)
    return samples


def _graph(sample_rate: int, output_rate: int, speed: float) -> Graph:
    """abuffer -> atempo ... -> aresample -> abuffersink. Above 2, one atempo would leave out sound, below 0.5 it
    cannot be; so it is a chain of equal ones.
    """
    graph = Graph()
    graph.threads = 1
    chain = [
        graph.add_abuffer(sample_rate=sample_rate, format="flt", layout="mono", time_base=Fraction(1, sample_rate))
    ]
    if speed != 1:
        links = max(1, math.ceil(abs(math.log2(speed))))
        chain += [graph.add("atempo", repr(speed ** (1 / links))) for _ in range(links)]
    if output_rate != sample_rate:
        chain.append(graph.add("aresample", f"{output_rate}"))
    chain += [graph.add("aformat", "sample_fmts=flt:channel_layouts=mono"), graph.add("abuffersink")]
    graph.link_nodes(*chain).configure()
    return graph
