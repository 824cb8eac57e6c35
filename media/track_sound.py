"""The packets of a track -> its sound, in time."""

import logging
from collections.abc import Iterator

import numpy as np
from av.audio.frame import AudioFrame
from av.error import FFmpegError
from numpy.typing import NDArray

from media import demux
from media.demux import OpenedAudio
from media.errors import UndecodableAudio
from media.resample import MonoResampler
from media.timeline import Timeline

MAX_BAD_PACKETS = 100
"""How many undecodable packets (20 to 30 ms each) are skipped before the file counts as damaged."""

logger = logging.getLogger(__name__)


class TrackSound:
    """Iterates over what a track holds, in order: float32 arrays of shape (any,) in [-1, 1], mono at
    ``sample_rate`` Hz, and whole numbers, each of which is so many samples of silence.

    Silence comes from a ``timeline`` alone: what corrupt packets, which are skipped, lacked as well. Raises
    :class:`UndecodableAudio`.
    """

    def __init__(
        self, audio: OpenedAudio, sample_rate: int, channel: int | None, timeline: Timeline | None
    ) -> None:
        """``channel`` is the only one that is wanted, from 0; None mixes all."""
        self._audio, self._sample_rate, self._timeline = audio, sample_rate, timeline
        self._resampler = MonoResampler(sample_rate, channel)
        self._samples = 0

    def __iter__(self) -> Iterator[NDArray[np.float32] | int]:
        frames = self._frames()
        frame = next(frames, None)
        while frame is not None:
            following = next(frames, None)
            if self._timeline is not None:
                yield from self._silence(self._timeline, frame, following)
            yield from self._counted(self._resampler.push(frame))
            if self._timeline is not None:
                self._timeline.advance(frame.samples / frame.sample_rate)
            frame = following
        yield from self._counted(self._resampler.flush())

    def _silence(
        self, timeline: Timeline, frame: AudioFrame, following: AudioFrame | None
    ) -> Iterator[NDArray[np.float32] | int]:
        before_s, jumps = timeline.position_s, timeline.jumps
        if timeline.silence_before(frame.time, None if following is None else following.time):
            yield from self._counted(self._resampler.flush())
            missing = round(timeline.position_s * self._sample_rate) - self._samples
            if missing > 0:
                self._samples += missing
                yield missing
        if timeline.jumps > jumps == 0:
            logger.warning("after %.1f s the clock of a file begins anew; times go on without a gap", before_s)

    def _counted(self, parts: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        for part in parts:
            self._samples += part.size
            yield part

    def _frames(self) -> Iterator[AudioFrame]:
        bad = 0
        for packet in demux.packets(self._audio):
            try:
                frames = packet.decode()
            except FFmpegError as error:
                bad += 1
                if bad > MAX_BAD_PACKETS:
                    raise UndecodableAudio("The file is damaged in too many places; send it again.") from error
                continue
            yield from frames
