"""Frames of several channels -> frames of one: a mix of all, or one that is wanted."""

import re

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from numpy.typing import NDArray

from media.errors import UndecodableAudio
from media.mixdown import Mixdown

MAX_CHANNELS = 32
LOUDEST = 1e3  # floats beyond are damage, as are those that are no numbers
_UNNAMED = re.compile(r"\d+ channels")  # libav's name of a layout of which only their number is known

# libav normalises a downmix of integers so that it cannot clip, but not one of floats; this makes it always.
_OPTIONS = {"rematrix_maxval": "1.0"}


class OneChannel:
    """Reduces a stream of frames that keep their sample format, their layout and their rate.

    Without a ``channel`` all are mixed as ``media.mixdown`` says, in libav's proportions, or in equal ones where
    the file does not say what its channels are. A ``channel``, counted from 0, is taken alone; it is silence where
    there is none of this number. Raises :class:`UndecodableAudio` for layouts that make no sense.
    """

    def __init__(self, sample_format: str, layout: str, channels: int, rate: int, channel: int | None) -> None:
        if channels > MAX_CHANNELS:
            raise UndecodableAudio(f"The audio has {channels} channels; send at most {MAX_CHANNELS}.")
        self._layout, self._channels, self._channel = layout, channels, channel
        self._floats = sample_format.startswith(("flt", "dbl"))
        self._mixdown: Mixdown | None = None
        self._unchanged = channels == 1 and not channel
        self._packer = AudioResampler("flt", layout, rate)  # PyAV reads no frame of more than eight planes
        if channel is None and channels > 1:
            self._mixdown = Mixdown(self._weights(rate), rate)

    def of(self, frame: AudioFrame) -> AudioFrame:
        """The frame itself if it is mono already, else one of floats of the same length."""
        if self._unchanged:
            return frame
        try:
            (packed,) = self._packer.resample(frame)
        except FFmpegError as error:
            raise self._senseless() from error
        planes = packed.to_ndarray().astype(np.float32, copy=False).reshape(-1, self._channels).T
        if self._floats:
            planes = np.clip(np.nan_to_num(planes, nan=0.0), -LOUDEST, LOUDEST)
        if self._mixdown is not None:
            mono = self._mixdown.mix(planes)
        elif self._channel is not None and self._channel < self._channels:
            mono = planes[self._channel]
        else:
            mono = np.zeros(planes.shape[1], np.float32)
        single = AudioFrame.from_ndarray(np.ascontiguousarray(mono)[None], "fltp", "mono")
        single.sample_rate = frame.sample_rate
        return single

    def _weights(self, rate: int) -> NDArray[np.float32]:
        """How much of every channel the mix has; together at most 1."""
        if _UNNAMED.fullmatch(self._layout):
            return np.full(self._channels, 1 / self._channels, np.float32)
        ones = np.eye(self._channels, dtype=np.float32).reshape(1, -1)  # the first channel, then the second, ...
        try:
            frame = AudioFrame.from_ndarray(ones, "flt", self._layout)
            frame.sample_rate = rate
            (mixed,) = AudioResampler("fltp", "mono", rate, options=_OPTIONS).resample(frame)
        except (FFmpegError, ValueError) as error:
            raise self._senseless() from error
        weights: NDArray[np.float32] = mixed.to_ndarray()[0]
        return weights

    def _senseless(self) -> UndecodableAudio:
        return UndecodableAudio(
            f"The audio's channel layout, {self._layout}, cannot be mixed down; send mono or stereo."
        )
