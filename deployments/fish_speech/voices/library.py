"""The library of voices: the users' own, and the shipped ones."""

import builtins
import time
from collections.abc import Sequence
from pathlib import Path

from deployments.errors import InvalidRequest, ModelUnavailable, VoiceConflict, VoiceNotFound
from deployments.fish_speech.config import VoicesConfig
from deployments.fish_speech.types import NewVoice, Voice, VoiceChange
from deployments.fish_speech.voices.files import transcript
from deployments.fish_speech.voices.folder_store import FolderStore
from deployments.fish_speech.voices.metadata import METADATA, Metadata
from deployments.fish_speech.voices.names import check_new_id, is_id, natural, not_found, shown
from deployments.fish_speech.voices.new_voice import AudioFile, files_of
from deployments.fish_speech.voices.s3_store import S3Store
from deployments.fish_speech.voices.store import VoiceStore
from deployments.fish_speech.voices.stored_voices import Recording, StoredVoices
from deployments.model_store.local import find_local
from deployments.model_store.source import LocalSource, S3Source, parse_source

__all__ = ["AudioFile", "Recording", "VoiceLibrary"]


class VoiceLibrary:
    """Named voices in folders or buckets. Blocking; safe between threads, and between processes.

    Ids that are looked up are one name, or two as ``speaker/emotion``. A voice that users keep hides a shipped one
    of the same id. All methods raise ModelUnavailable if a place cannot be reached, read or written, and
    Overloaded if others change it all the time.
    """

    def __init__(self, config: VoicesConfig) -> None:
        """Raises ModelUnavailable for a place that cannot be one, and for a shipped folder that is not there."""
        self._most = config.max_voices
        self._own = None if config.library is None else StoredVoices(_opened(config.library, shipped=False))
        shipped = [StoredVoices(_opened(place, shipped=True), shipped=True) for place in config.shipped]
        self._stored = shipped if self._own is None else [self._own, *shipped]

    def list(self) -> builtins.list[Voice]:
        """All voices, in natural order of their ids."""
        voices: dict[str, Voice] = {}
        for stored in self._stored:
            for voice in stored.voices():
                voices.setdefault(voice.id, voice)
        return sorted(voices.values(), key=lambda voice: natural(voice.id))

    def get(self, voice_id: str) -> Voice:
        """One voice. Raises VoiceNotFound."""
        if is_id(voice_id):
            for stored in self._stored:
                if voice := stored.voice(voice_id):
                    return voice
        raise self._not_found(voice_id)

    def recordings(self, voice_id: str) -> tuple[Recording, ...]:
        """What a voice is made of, at least one recording, in natural order of the files' names.

        Raises VoiceNotFound; InvalidRequest and PayloadTooLarge for a voice that has too many to be spoken with.
        """
        if is_id(voice_id):
            for stored in self._stored:
                if recordings := stored.recordings(voice_id):
                    return recordings
        raise self._not_found(voice_id)

    def add(self, voice: NewVoice, audios: Sequence[AudioFile]) -> Voice:
        """Keep a voice, whole or not at all. ``audios`` are files, one for each of ``voice.texts``.

        Raises VoiceConflict if the id is taken or the library full; InvalidRequest if no library is configured, or
        for an id or texts that cannot be; UndecodableAudio for a file that is no audio; PayloadTooLarge.
        """
        if self._own is None:
            raise InvalidRequest(
                "No voices can be kept here; set `voices.library` of the model to a folder or to s3://bucket/prefix."
            )
        check_new_id(voice.id)
        self._check_free(voice.id)
        now = time.time()
        files = files_of(voice, audios, now)
        self._own.store.create(voice.id, files, self._most)
        texts = tuple(transcript(text.encode()) for text in voice.texts)
        return Voice(voice.id, texts, voice.details, now, now)

    def change(self, voice_id: str, change: VoiceChange) -> Voice:
        """Rename or describe a voice, both or neither.

        Raises VoiceNotFound; VoiceConflict if it is shipped or the new id is taken; InvalidRequest for an id that
        cannot be.
        """
        own, voice = self._changeable(voice_id)
        new_id = voice_id if change.id is None else change.id
        details = voice.details if change.details is None else change.details
        updated = max(time.time(), voice.created)
        metadata = Metadata.written(details, voice.created, updated)
        if new_id == voice_id:
            done = own.store.write(voice_id, METADATA, metadata)
        else:
            check_new_id(new_id)
            self._check_free(new_id)
            done = own.store.rename(voice_id, new_id, metadata)
        if not done:
            raise self._not_found(voice_id)
        return Voice(new_id, voice.texts, details, voice.created, updated)

    def delete(self, voice_id: str) -> None:
        """Remove a voice. Raises VoiceNotFound, and VoiceConflict if it is shipped."""
        own, _ = self._changeable(voice_id)
        if not own.store.delete(voice_id):
            raise self._not_found(voice_id)

    def _changeable(self, voice_id: str) -> tuple[StoredVoices, Voice]:
        voice = self.get(voice_id)
        if self._own is None or voice.shipped:
            raise VoiceConflict(
                f"The voice {shown(voice_id)} is shipped with the server and stays as it is.", param="voice"
            )
        parts = self._own.parts(voice_id)
        if parts and parts != [voice_id]:
            raise VoiceConflict(
                f"{shown(voice_id)} is a speaker; name one of the voices {', '.join(map(shown, parts[:10]))}.",
                param="voice",
            )
        return self._own, voice

    def _check_free(self, voice_id: str) -> None:
        for stored in self._stored:
            if stored.store.files(voice_id):
                raise VoiceConflict(
                    f"There is a voice {shown(voice_id)} already; choose another id, or delete it first.",
                    param="id",
                )

    def _not_found(self, voice_id: str) -> VoiceNotFound:
        known = {known for stored in self._stored for known in stored.ids()}
        return not_found(voice_id, sorted(known, key=natural))


def _opened(place: str, *, shipped: bool) -> VoiceStore:
    try:
        source = parse_source(place)
    except ValueError as error:
        raise ModelUnavailable(f"Voices cannot be in {place!r}: {error}.") from error
    match source:
        case S3Source(bucket, prefix):
            return S3Store(bucket, prefix)
        case LocalSource(path):
            folder = find_local(path)
            if folder is None and shipped:
                raise ModelUnavailable(f"There is no folder {path!r} with shipped voices.")
            return FolderStore(folder or Path(path).expanduser().absolute())
        case _:
            raise ModelUnavailable(f"Voices cannot be in {place!r}; name a folder or s3://bucket/prefix.")
