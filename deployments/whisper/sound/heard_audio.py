"""What a request hears of a file: of one audio track a mix, one channel, or several channels each by itself."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from deployments.errors import NoSuchChannel
from deployments.whisper.sound.choice import MOST_APART, Channels, HeardTrack
from media.decode import AudioDecoder, AudioInfo, BinaryFile, RawPcm, probe
from media.files.tracks import TrackChoice


@dataclass(frozen=True, slots=True)
class HeardAudio:
    """Decoders by channel; None stands for a mix, or for a channel that is heard alone and needs no name.

    A file is decoded once for each channel, so that none has to wait in memory for another that is behind. Leaving
    it as a context closes the decoders.
    """

    decoders: Mapping[int | None, AudioDecoder]
    track: HeardTrack
    duration_s: float | None
    files: ExitStack

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.files.close()


def open_heard(
    source: Callable[[], Path | BinaryFile],
    *,
    channels: Channels = "mix",
    track: TrackChoice = None,
    max_audio_s: float | None = None,
    raw: RawPcm | None = None,
) -> HeardAudio:
    """What is to be heard of a file; ``source`` opens it anew for each channel. Blocks.

    Sound keeps its time in the file: silence is what comes before a late track, and what is missing in gaps. The
    seconds of channels that are heard apart count together against ``max_audio_s``. Raises UndecodableAudio,
    AudioTooLong, NoSuchTrack, NoSuchChannel.
    """
    wanted = _numbers(channels, lambda: probe(source(), raw=raw, track=track))
    apart = channels == "split" or len(wanted) > 1

    def decoder(channel: int | None) -> AudioDecoder:
        return AudioDecoder(
            source(),
            max_duration_s=max_audio_s,
            raw=raw,
            track=track,
            channel=channel,
            channels_heard=max(1, len(wanted)),
            fill_gaps=True,
        )

    with ExitStack() as files:
        decoders = {
            channel if apart else None: files.enter_context(decoder(channel)) for channel in wanted or (None,)
        }
        info = next(iter(decoders.values())).info
        return HeardAudio(decoders, _track(info, wanted, apart), info.duration_s, files.pop_all())


def _numbers(channels: Channels, probed: Callable[[], AudioInfo]) -> tuple[int, ...]:
    """Numbers of the channels that are heard; none for a mix."""
    if channels == "mix":
        return ()
    if channels != "split":
        return channels
    count = probed().channels
    if count > MOST_APART:
        raise NoSuchChannel(
            f"The audio has {count} channels, of which at most {MOST_APART} are transcribed each by itself; "
            "choose them by their numbers, such as 0,1.",
        )
    return tuple(range(max(1, count)))


def _track(info: AudioInfo, heard: tuple[int, ...], apart: bool) -> HeardTrack:
    return HeardTrack(
        index=info.track,
        codec=info.encoding,
        sample_rate=info.sample_rate,
        channels=info.channels,
        heard=heard,
        apart=apart,
        language=info.language,
        title=info.title,
    )
