"""The voices of one store, as its files describe them."""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from deployments.errors import InvalidRequest, Overloaded, PayloadTooLarge
from deployments.fish_speech.types import Voice
from deployments.fish_speech.voices.files import LARGEST_VOICE, MOST_RECORDINGS, VoiceFiles, transcript, voices_in
from deployments.fish_speech.voices.metadata import Metadata
from deployments.fish_speech.voices.names import shown
from deployments.fish_speech.voices.store import StoredFile, VoiceStore

logger = logging.getLogger(__name__)

_TRIES = 5
_MOST_COMPLAINTS = 10_000


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording of a voice: what is said in it, the bytes of an audio file, and their SHA-256 in hex."""

    text: str
    audio: bytes
    sha256: str


class StoredVoices:
    """Voices in one store, to be read. ``shipped`` is what their descriptions say.

    Ids that come here have been checked by ``is_id``. All methods raise ModelUnavailable if the store cannot be
    read, and Overloaded if a voice changes every time it is looked at.
    """

    def __init__(self, store: VoiceStore, *, shipped: bool = False) -> None:
        self.store, self.shipped = store, shipped
        self._complaints: set[str] = set()

    def ids(self) -> list[str]:
        """Ids of the voices in natural order, by the names of their files alone."""
        return [voice.id for voice in voices_in(self.store.tree())]

    def parts(self, folder: str) -> list[str]:
        """The same for one folder: its own id, or those of a speaker's emotions."""
        return [voice.id for voice in voices_in({folder: self.store.files(folder)})]

    def voices(self) -> list[Voice]:
        """All voices in natural order."""
        listed = voices_in(self.store.tree())
        contents = iter(self.store.read([file for voice in listed for file in _small(voice)]))
        voices = []
        for voice in listed:
            read = _whole(next(contents) for _ in _small(voice))
            described = self.voice(voice.id) if read is None else self._described(voice, read)
            if described is not None:
                voices.append(described)
        return voices

    def voice(self, voice_id: str) -> Voice | None:
        """One voice, or None: there is no such folder, or no recording with a transcript in it."""
        for voice in self._listings(voice_id):
            read = _whole(self.store.read(_small(voice)))
            if read is not None:
                return self._described(voice, read)
        return None

    def recordings(self, voice_id: str) -> tuple[Recording, ...]:
        """The recordings of one voice in natural order, none as above.

        Raises InvalidRequest and PayloadTooLarge for more than anybody could speak with.
        """
        for voice in self._listings(voice_id):
            _check_size(voice)
            read = _whole(self.store.read([*voice.transcripts, *voice.audios]))
            if read is not None:
                texts, audios = self._texts(voice, read), read[len(voice.audios) :]
                return tuple(
                    Recording(text, audio, hashlib.sha256(audio).hexdigest())
                    for text, audio in zip(texts, audios, strict=True)
                    if text
                )
        return ()

    def _listings(self, voice_id: str) -> Iterator[VoiceFiles]:
        """The voice's files as they are now, again and again, as long as it has recordings."""
        for _ in range(_TRIES):
            voice = VoiceFiles.of(voice_id, self.store.files(voice_id))
            for audio in voice.left_out:
                self._complain(audio.path, "it has no transcript (.lab) beside it, or one of a strange size")
            if not voice.recordings:
                return
            yield voice
        raise Overloaded(f"Somebody is changing the voice {shown(voice_id)}; try again.", retry_after_s=1)

    def _described(self, voice: VoiceFiles, read: Sequence[bytes]) -> Voice | None:
        texts = tuple(filter(None, self._texts(voice, read)))
        if not texts:
            return None
        metadata = Metadata() if voice.metadata is None else Metadata.read(read[-1], voice.metadata.path)
        times = [audio.modified for audio in voice.audios]
        created = min(times) if metadata.created is None else metadata.created
        updated = max(times) if metadata.updated is None else metadata.updated
        return Voice(voice.id, texts, metadata.details, created, max(created, updated), self.shipped)

    def _texts(self, voice: VoiceFiles, read: Sequence[bytes]) -> list[str]:
        """A text for each recording, empty where there is none; ``read`` begins with the transcripts."""
        texts = list(map(transcript, read[: len(voice.recordings)]))
        for audio, text in zip(voice.audios, texts, strict=True):
            if not text:
                self._complain(audio.path, "its transcript is empty, or not in UTF-8")
        return texts

    def _complain(self, path: str, why: str) -> None:
        """Say once that a recording is left out."""
        if path not in self._complaints and len(self._complaints) < _MOST_COMPLAINTS:
            self._complaints.add(path)
            logger.warning("the recording %s is left out: %s", path, why)


def _small(voice: VoiceFiles) -> list[StoredFile]:
    """The files that describe a voice, without its sound."""
    return voice.transcripts if voice.metadata is None else [*voice.transcripts, voice.metadata]


def _whole(contents: Iterable[bytes | None]) -> list[bytes] | None:
    """The contents, or None if one of them is missing."""
    read = list(contents)
    there = [content for content in read if content is not None]
    return there if len(there) == len(read) else None


def _check_size(voice: VoiceFiles) -> None:
    count = len(voice.recordings)
    if count > MOST_RECORDINGS:
        raise InvalidRequest(
            f"The voice {shown(voice.id)} has {count} recordings. A voice can be spoken with when it has at most "
            f"{MOST_RECORDINGS}; choose another one, or remove recordings.",
            param="voice",
        )
    if sum(file.size for file in voice.audios) > LARGEST_VOICE:
        raise PayloadTooLarge(
            f"The recordings of the voice {shown(voice.id)} have more than {LARGEST_VOICE >> 20} MiB; choose "
            "another one, or remove recordings.",
            param="voice",
        )
