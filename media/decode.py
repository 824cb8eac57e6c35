"""Any audio or video file -> blocks of float32 mono, in memory that does not grow with the length.

PyAV demuxes, decodes and resamples. Samples stay floating point all the way: 16-bit mono input at the wanted
rate comes out as exactly ``int16 / 32768``, and nothing is rounded to 16 bits in between.
"""

import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from av.codec import Codec
from numpy.typing import NDArray

from media import demux
from media.buffer_reader import BufferReader
from media.demux import OpenedAudio
from media.errors import AudioTooLong, NoSuchChannel, UndecodableAudio
from media.files.clock import start_offset_s, timeline_of
from media.files.parts import BinaryFile
from media.files.raw_pcm import RawPcm
from media.files.tracks import TrackChoice, track_language, track_text
from media.track_sound import TrackSound

__all__ = ["SAMPLE_RATE", "AudioDecoder", "AudioInfo", "BinaryFile", "BufferReader", "RawPcm", "probe"]

SAMPLE_RATE = 16_000
PADDING_S = 0.5
"""By how much a file may outlast its maximum: codecs pad, and containers count the padding."""

Block = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a file says of itself, before anything is decoded."""

    duration_s: float | None
    """None when the container does not tell; estimated from the bit rate for bare MP3, AAC, AC-3 and AMR."""
    container: str
    """libav's name of the format; some have several, as ``matroska,webm``."""
    codec: str
    sample_rate: int
    """Hz, of the file."""
    channels: int
    track: int = 0
    """The track's number among the file's audio tracks, from 0."""
    language: str | None = None
    """What the file says of the track, as ISO 639-1 code where there is one."""
    title: str | None = None
    """What the file calls the track."""

    @property
    def encoding(self) -> str:
        """What the samples are encoded as, in libav's words: ``mp3`` whatever the decoder of it is called."""
        return Codec(self.codec, "r").canonical_name


class AudioDecoder:
    """An audio track of a file, as an iterator of blocks.

    Each block is a new array of shape ``(block_samples,)``, float32, in [-1, 1], mono at ``sample_rate`` Hz;
    only the last may be shorter. Several channels are mixed down so that they neither clip nor cancel each other
    (``media.mixdown``), unless one ``channel``, counted from 0, is wanted alone. Encoder delay is removed where
    the file declares it. With ``fill_gaps`` the blocks keep the medium's time: silence stands before a track that
    begins late, and in the gaps between its timestamps; it counts as part of the audio. Without, the sound of the
    track is all there is.

    ``source`` is a path or a binary file, which is read from its beginning and not closed; a file that cannot
    seek works for formats that stream. ``raw`` says that the bytes are headerless PCM. ``track`` is chosen as
    ``media.files.tracks`` says. The file's name plays no role, and files that refer to other files or URLs are
    refused.

    Damage: a file that is cut off yields what it holds as long as its index is there, and a few corrupt
    packets are skipped, as in every player. :class:`UndecodableAudio` is raised at once for what is no
    audio, and while iterating when there is no sample at all or when the rest cannot be read.
    :class:`NoSuchTrack` and :class:`NoSuchChannel` are raised at once. :class:`AudioTooLong` is raised at once
    when the file declares more than ``max_duration_s`` seconds, and while iterating when it lied; the seconds of
    all ``channels_heard``, each by a decoder of its own, count together. ``OSError`` passes through from
    ``source``.

    Blocking; use it in one thread at a time. ``close`` may be called from any thread at any time.
    """

    def __init__(
        self,
        source: Path | BinaryFile,
        *,
        sample_rate: int = SAMPLE_RATE,
        max_duration_s: float | None = None,
        block_samples: int = 160_000,
        raw: RawPcm | None = None,
        track: TrackChoice = None,
        channel: int | None = None,
        channels_heard: int = 1,
        fill_gaps: bool = False,
    ) -> None:
        self._sample_rate = sample_rate
        self._block_samples = block_samples
        self._wanted, self._channel, self._channels_heard = track, channel, channels_heard
        self._fill_gaps = fill_gaps
        self._limit_s = float("inf") if max_duration_s is None else max_duration_s / channels_heard + PADDING_S
        self._lock = threading.Lock()  # libav crashes when it is closed while it decodes
        self._files = ExitStack()
        file = self._files.enter_context(source.open("rb")) if isinstance(source, Path) else source
        try:
            self._audio = self._open(file, raw)
        except BaseException:
            self._files.close()
            raise
        self._blocks = self._decode(self._audio)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Block]:
        return self

    def __next__(self) -> Block:
        with self._lock:
            return next(self._blocks)

    def close(self) -> None:
        """Release everything; waits for the block that another thread is decoding. The iteration is over."""
        with self._lock:
            self._blocks.close()
            self._audio.container.close()
            self._files.close()

    def _open(self, file: BinaryFile, raw: RawPcm | None) -> OpenedAudio:
        audio = demux.open_audio(file, raw, self._wanted)
        self.info = _info(audio, self._fill_gaps)
        if self._channel is not None and self._channel >= self.info.channels:
            audio.container.close()
            raise _no_such_channel(self._channel, self.info.channels)
        declared_s = self.info.duration_s or 0.0
        if declared_s <= self._limit_s:
            return audio
        estimated = demux.duration_is_estimated(audio)
        audio.container.close()
        if estimated and file.seekable():
            declared_s = demux.measure_duration_s(file, raw, self._wanted, self._limit_s)
        if declared_s > self._limit_s:
            raise self._too_long(f"The audio lasts {declared_s:.1f} s{' or more' if estimated else ''}")
        self.info = replace(self.info, duration_s=declared_s or None)
        return demux.open_audio(file, raw, self._wanted)

    def _decode(self, audio: OpenedAudio) -> Generator[Block, None, None]:
        timeline = timeline_of(audio.container, audio.head) if self._fill_gaps else None
        block, filled, total = np.empty(self._block_samples, np.float32), 0, 0
        for part in TrackSound(audio, self._sample_rate, self._channel, timeline):
            done, size = 0, part if isinstance(part, int) else part.size
            total += size
            if total > self._limit_s * self._sample_rate:
                raise self._too_long(f"The audio goes on after {self._limit_s:.1f} s")
            while done < size:
                step = min(size - done, self._block_samples - filled)
                block[filled : filled + step] = 0.0 if isinstance(part, int) else part[done : done + step]
                done, filled = done + step, filled + step
                if filled == self._block_samples:
                    yield block
                    block, filled = np.empty(self._block_samples, np.float32), 0
        if filled:
            yield block[:filled].copy()
        if not total:
            raise UndecodableAudio("The file holds no audio that can be decoded; send one with sound.")

    def _too_long(self, what: str) -> AudioTooLong:
        longest_s, heard = self._limit_s - PADDING_S, self._channels_heard
        apart = f", because each of the {heard} channels counts" if heard > 1 else ""
        return AudioTooLong(f"{what}, but at most {longest_s:g} s are allowed{apart}; send less or split it.")


def probe(source: Path | BinaryFile, *, raw: RawPcm | None = None, track: TrackChoice = None) -> AudioInfo:
    """What a file says of itself. Arguments and errors are those of :class:`AudioDecoder`."""
    with AudioDecoder(source, raw=raw, track=track) as decoder:
        return decoder.info


def _info(audio: OpenedAudio, fill_gaps: bool) -> AudioInfo:
    container, track = audio.container, audio.track
    context = track.codec_context
    duration_s = demux.declared_duration_s(audio)
    if fill_gaps and duration_s is not None:
        duration_s += start_offset_s(container, track, audio.head)
    return AudioInfo(
        duration_s=duration_s,
        container=container.format.name,
        codec=context.codec.name,
        sample_rate=context.sample_rate,
        channels=context.channels,
        track=list(container.streams.audio).index(track),
        language=track_language(track),
        title=track_text(track, "title"),
    )


def _no_such_channel(wanted: int, channels: int) -> NoSuchChannel:
    return NoSuchChannel(
        f"The audio has {channels} channel{'s' if channels > 1 else ''}, counted from 0; there is no channel "
        f"{wanted}. Choose another, or mix."
    )
