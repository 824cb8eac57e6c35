"""The clock of a medium: where its time begins, as its container says."""

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from media.timeline import LONGEST_GAP_S, Timeline

_TIMED = frozenset({"asf", "flv", "matroska", "mov", "mpeg", "mpegts", "nut", "ogg"})
"""Containers that say of every packet when it is heard. In others sound has no gaps."""
_FROM_ZERO = frozenset({"matroska", "mov", "nut"})
"""Those whose time begins at 0; others, like recorded streams, begin with whatever comes first."""
_MEASURED = frozenset({"mpeg", "mpegts"})
"""Those whose duration libav measures by the timestamps, so that it says nothing about them."""
_WITHOUT_OFFSET = frozenset({"mov", "mpegts", "ogg"})
"""Those whose tracks have a duration that does not count what is before their first sample."""


def timeline_of(container: InputContainer, head: bytes) -> Timeline | None:
    """For the timestamps of a file that begins with ``head``. None if they tell no more than the samples do."""
    kind = _kind(container)
    if kind not in _TIMED:
        return None
    declared_s = (container.duration or 0) / av.time_base
    end_s = None if kind in _MEASURED else declared_s
    return Timeline(_origin_s(container, head), end_s)


def start_offset_s(container: InputContainer, track: AudioStream, head: bytes) -> float:
    """Seconds from the medium's start to the track's, where the track's duration does not count them."""
    if _kind(container) not in _WITHOUT_OFFSET or track.start_time is None or not track.time_base:
        return 0.0
    return max(0.0, float(track.start_time * track.time_base) - _origin_s(container, head))


def _origin_s(container: InputContainer, head: bytes) -> float:
    """The timestamp of the medium's start. A recording of a live stream, which no one wrote a duration into, may
    carry the time of the stream: it begins with its first track.
    """
    first_s = (container.start_time or 0) / av.time_base
    kind = _kind(container)
    live = container.duration is None if kind == "matroska" else b"mvex" in head
    return 0.0 if kind in _FROM_ZERO and not live and 0 <= first_s <= LONGEST_GAP_S else first_s


def _kind(container: InputContainer) -> str:
    return container.format.name.split(",")[0]
