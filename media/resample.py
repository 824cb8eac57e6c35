"""Decoded audio frames of any kind -> float32 mono at one rate."""

from collections.abc import Iterator

import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from media.errors import UndecodableAudio
from media.files.raw_pcm import MAX_RATE, MIN_RATE
from media.one_channel import OneChannel

_BATCH_SAMPLES = 8_192
"""Frames are joined up to this size before they are converted: a third faster than one by one."""


class MonoResampler:
    """Converts a stream of frames whose rate, layout or sample format may change on the way.

    Several channels become one as ``media.one_channel`` says. ``push`` and ``flush`` yield arrays of shape (any,),
    float32, in [-1, 1]; NaN becomes 0. Both raise :class:`UndecodableAudio` for rates and channel layouts that
    make no sense.
    """

    def __init__(self, sample_rate: int, channel: int | None = None) -> None:
        """``channel`` is the only one that is wanted, from 0; None mixes all."""
        self._rate, self._channel = sample_rate, channel
        self._source: tuple[str, str, int] | None = None

    def push(self, frame: AudioFrame) -> Iterator[NDArray[np.float32]]:
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if source != self._source:
            yield from self.flush()
            self._start(*source, frame.layout.nb_channels)
        frame.pts = None  # gaps are ignored, and the fifo insists on none
        self._fifo.write(frame)
        if self._fifo.samples >= _BATCH_SAMPLES:
            yield from self._convert(self._fifo.read())

    def flush(self) -> Iterator[NDArray[np.float32]]:
        """What is still inside, the resampler's tail included. The next frame begins anew."""
        if self._source is not None:
            if self._fifo.samples:
                yield from self._convert(self._fifo.read())
            yield from self._convert(None)
            self._source = None

    def _start(self, sample_format: str, layout: str, rate: int, channels: int) -> None:
        if not MIN_RATE <= rate <= MAX_RATE:
            raise UndecodableAudio(
                f"The audio claims a sample rate of {rate} Hz; send {MIN_RATE} to {MAX_RATE} Hz."
            )
        self._one_channel = OneChannel(sample_format, layout, channels, rate, self._channel)
        self._source = (sample_format, layout, rate)
        self._fifo = AudioFifo()
        self._resampler = AudioResampler("fltp", "mono", self._rate)

    def _convert(self, frame: AudioFrame | None) -> Iterator[NDArray[np.float32]]:
        single = None if frame is None else self._one_channel.of(frame)
        # A resampler with nothing to do passes even the None of a flush through.
        converted = [out for out in self._resampler.resample(single) if out is not None]
        for out in converted:
            samples: NDArray[np.float32] = out.to_ndarray()[0].astype(np.float32, copy=False)
            samples[np.isnan(samples)] = 0.0
            yield np.clip(samples, -1.0, 1.0, out=samples)
