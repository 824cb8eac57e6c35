"""What answers say of channels that were transcribed apart, and of the track that they belong to."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from deployments.whisper.sound.choice import HeardTrack
from deployments.whisper.types import Segment, join_text


def channel_name(channel: int) -> str:
    """A channel in subtitles and texts."""
    return f"channel {channel}"


def turns(segments: Iterable[Segment]) -> str:
    """The text of segments; of channels that were transcribed apart a line for each turn, with its channel."""
    lines = []
    for channel, turn in groupby(segments, key=lambda segment: segment.channel):
        text = join_text(segment.text for segment in turn)
        if text:
            lines.append(text if channel is None else f"[{channel_name(channel)}] {text}")
    return "\n".join(lines)


def channel_of(segment: Segment) -> dict[str, int]:
    """The channel of a segment as a part of an object, if it has one."""
    return {} if segment.channel is None else {"channel": segment.channel}


def sound_objects(segments: Sequence[Segment], track: HeardTrack | None) -> dict[str, Any]:
    """What was heard as parts of ``verbose_json``: the track and, if they were transcribed apart, its channels."""
    channels = channel_objects(segments, track)
    return {
        **({} if track is None else {"audio_track": track_object(track)}),
        **({"channels": channels} if channels else {}),
    }


def channel_objects(segments: Sequence[Segment], track: HeardTrack | None) -> list[dict[str, Any]]:
    """The text of every channel, if they were transcribed apart."""
    heard = track.heard if track is not None and track.apart else ()
    return [
        {"channel": channel, "text": join_text(segment.text for segment in segments if segment.channel == channel)}
        for channel in heard
    ]


def track_object(track: HeardTrack) -> dict[str, Any]:
    """What was heard: the track, what the file says of it, and its channels."""
    return {
        "index": track.index,
        "language": track.language,
        "title": track.title,
        "codec": track.codec,
        "sample_rate": track.sample_rate,
        "channels": track.channels,
        "heard": list(track.heard) or "mix",
    }
