"""Opening a file of unknown origin so that libav sees only its bytes and only what we mean to decode.

A hostile file may be a playlist that names local files or internal URLs, or a format whose decoder nobody
has looked at in years. So: demuxers and decoders are allow-listed, no protocol exists, nothing else can be
opened, the file's name is hidden, and video is never decoded.
"""

import ctypes
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import NoReturn

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard

from media.errors import UndecodableAudio
from media.files.kinds import CODECS
from media.files.parts import BinaryFile
from media.files.raw_pcm import RawPcm
from media.files.source import source_of
from media.files.tracks import TrackChoice, choose_track

_GUESSED = frozenset(
    {
        *("aac", "ac3", "amr", "dts", "dtshd", "eac3", "gsm", "loas", "mlp", "mp3", "truehd"),  # size by bit rate
        *("flv", "mpeg", "mpegts", "ogg"),  # last timestamp, be it of a stream that had been on for hours
    }
)
"""Formats whose duration libav guesses."""

_LARGEST_BLOCK = 256 << 20
"""Bytes that libav may allocate at a time, in this process. Its own limit is 2 GiB, which a text in a file of a
hundred bytes is given if it claims to be as long."""
ctypes.CDLL(av._core.__file__).av_max_alloc(ctypes.c_size_t(_LARGEST_BLOCK))


@dataclass(frozen=True, slots=True)
class OpenedAudio:
    """A file that is open, and the one of its tracks that is heard."""

    container: InputContainer
    track: AudioStream
    head: bytes
    """The first bytes of the file, empty for samples without a header."""


def open_audio(file: BinaryFile, raw: RawPcm | None = None, wanted: TrackChoice = None) -> OpenedAudio:
    """The opened container and its audio track, chosen as ``media.files.tracks`` says; all others are discarded.

    ``file`` is read from its beginning and not closed. Raises :class:`UndecodableAudio`, :class:`NoSuchTrack`.
    """
    if file.seekable():
        if file.seek(0, 2) == 0:
            raise UndecodableAudio("The file is empty; send audio.")
        file.seek(0)
    source = source_of(file, raw)
    # Without a ``name``, the format follows from the content alone; without ``close``, libav cannot close it.
    anonymous = SimpleNamespace(
        read=source.file.read, seek=source.file.seek, tell=source.file.tell, seekable=source.file.seekable
    )
    limits = {
        "protocol_whitelist": "none",
        "codec_whitelist": ",".join(sorted(CODECS)),
        "max_streams": "64",
    }
    try:
        container = av.open(
            anonymous,
            mode="r",
            format=source.demuxer,
            container_options=source.options | limits,
            metadata_errors="ignore",
            io_open=_refuse_reference,
        )
    except FFmpegError as error:
        raise UndecodableAudio(
            "The file is not audio or video that can be read, or it is damaged; "
            "send WAV, MP3, FLAC, Ogg, Opus, M4A, MP4, MKV or WebM."
        ) from error
    try:
        return OpenedAudio(container, _choose_track(container, wanted), source.head)
    except BaseException:
        container.close()
        raise


def declared_duration_s(audio: OpenedAudio) -> float | None:
    """Seconds according to the track or else the container; None when neither tells."""
    track = audio.track
    if track.duration and track.time_base:
        seconds = float(track.duration * track.time_base)
    else:
        seconds = (audio.container.duration or 0) / av.time_base
    return seconds if seconds > 0 else None


def duration_is_estimated(audio: OpenedAudio) -> bool:
    """Whether the format has no duration of its own, so that libav guesses it."""
    return audio.container.format.name in _GUESSED


def packets(audio: OpenedAudio) -> "Iterator[Packet[AudioStream]]":
    """The track's packets in order; the last is empty and drains the decoder.

    Raises :class:`UndecodableAudio` where the container cannot be followed any further.
    """
    try:
        yield from audio.container.demux(audio.track)
    except FFmpegError as error:
        raise UndecodableAudio("The file is damaged and cannot be read to its end; send it again.") from error
    except IndexError:
        # PyAV's bug: at the end it also flushes tracks that turned up after it was opened, as damaged
        # MPEG-TS has them, and does not know those. Ours has been flushed by then.
        return


def measure_duration_s(file: BinaryFile, raw: RawPcm | None, wanted: TrackChoice, enough_s: float) -> float:
    """Seconds found by adding up packets, without decoding; stops once they are more than ``enough_s``."""
    audio = open_audio(file, raw, wanted)
    seconds = 0.0
    with audio.container, suppress(UndecodableAudio):  # the decoder will meet the damage too, and report it
        for packet in packets(audio):
            if packet.duration and packet.time_base:
                seconds += float(packet.duration * packet.time_base)
            if seconds > enough_s:
                break
    return seconds


def _choose_track(container: InputContainer, wanted: TrackChoice) -> AudioStream:
    track = choose_track(container.streams.audio, wanted, CODECS)
    for other in container.streams:
        if other.index != track.index:
            other.discard = Discard.all
    track.codec_context.thread_count = 1  # the server scales by requests
    return track


def _refuse_reference(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise UndecodableAudio("The file refers to other files or URLs; send one that holds its audio itself.")
