"""Which of a file's audio tracks is heard."""

from collections.abc import Collection, Sequence

from av.audio.stream import AudioStream
from av.stream import Disposition

from media.errors import NoSuchTrack, UndecodableAudio
from media.files.language_tags import primary_language

TrackChoice = int | str | None
"""A track by its number among the file's audio tracks, from 0; by its language; or None, the file's own choice."""
LONGEST_TEXT = 200
MAX_SHOWN = 16


def choose_track(tracks: Sequence[AudioStream], wanted: TrackChoice, codecs: Collection[str]) -> AudioStream:
    """The track that is wanted; without a choice the one with the ``default`` flag, else the first. The same rule
    decides between several in one language. ``codecs`` are the decoders that may be used: a track that needs
    another is passed over, unless it is wanted by its number or is the only one in its language.

    Raises :class:`NoSuchTrack`; :class:`UndecodableAudio` if there is none, or the codec is not supported.
    """
    if not tracks:
        raise UndecodableAudio("The file has no audio track; send a file with sound.")
    candidates = list(tracks) if wanted is None else _matching(tracks, wanted)
    if not candidates:
        raise NoSuchTrack(f"The file has no audio track {wanted!r}; {_inventory(tracks)}.")
    chosen = [each for each in candidates if each.codec_context and each.codec_context.codec.name in codecs]
    if not chosen:
        where = "The file's audio codec" if wanted is None else f"The codec of the audio track {wanted!r}"
        raise UndecodableAudio(f"{where} is not supported; convert it to FLAC, MP3, AAC or Opus.")
    return next((each for each in chosen if each.disposition & Disposition.default), chosen[0])


def track_text(track: AudioStream, name: str) -> str | None:
    """A text that the file says of a track, such as its ``language`` or ``title``; None if nothing."""
    text = "".join(c for c in track.metadata.get(name, "") if c.isprintable()).strip()
    return text[:LONGEST_TEXT] or None


def track_language(track: AudioStream) -> str | None:
    """The language that a file says of a track, as ISO 639-1 code where it has one."""
    return primary_language(track_text(track, "language"))


def _matching(tracks: Sequence[AudioStream], wanted: int | str) -> list[AudioStream]:
    if isinstance(wanted, int):
        return list(tracks[wanted : wanted + 1])
    language = primary_language(wanted)
    matching = [track for track in tracks if language is not None and track_language(track) == language]
    exact = [track for track in matching if _plain(track_text(track, "language")) == _plain(wanted)]
    return exact or matching


def _plain(tag: str | None) -> str:
    return (tag or "").lower().replace("_", "-")


def _inventory(tracks: Sequence[AudioStream]) -> str:
    """The tracks in words: ``it has 0 (en), 1 (de), 2``."""
    names = []
    for number, track in enumerate(tracks[:MAX_SHOWN]):
        language = track_language(track)
        names.append(f"{number} ({language})" if language else str(number))
    return f"it has {', '.join(names)}{' and more' if len(tracks) > MAX_SHOWN else ''}"
