"""What the files of a voice mean, in the layout of fish-speech.

A recording is ``take.wav`` with its transcript ``take.lab``, in any depth below the voice's folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from posixpath import splitext
from typing import Self

from deployments.fish_speech.voices.metadata import LARGEST_METADATA, METADATA
from deployments.fish_speech.voices.names import natural
from deployments.fish_speech.voices.store import StoredFile

MOST_RECORDINGS = 64
"""Of one voice that is spoken with; as many as a request may bring along."""
LARGEST_VOICE = 256 << 20
"""Bytes of all recordings of one voice."""
LONGEST_TRANSCRIPT = 64 << 10
"""Bytes of one transcript."""
TRANSCRIPT = ".lab"
CONTAINERS: Mapping[str, str] = {
    "aac": ".aac",
    "aiff": ".aiff",
    "asf": ".wma",
    "flac": ".flac",
    "matroska": ".webm",
    "mov": ".m4a",
    "mp3": ".mp3",
    "ogg": ".ogg",
    "wav": ".wav",
}
"""libav's names of the containers that recordings are kept in, and the usual suffix of each."""
_AUDIO = frozenset((*CONTAINERS.values(), ".aif", ".aifc", ".opus"))


@dataclass(frozen=True, slots=True)
class VoiceFiles:
    """The files of one voice that matter.

    ``recordings`` are pairs of audio and transcript in natural order, ``left_out`` audio files without a
    transcript of a sensible size.
    """

    id: str
    recordings: tuple[tuple[StoredFile, StoredFile], ...]
    left_out: tuple[StoredFile, ...]
    metadata: StoredFile | None

    @classmethod
    def of(cls, voice_id: str, files: Sequence[StoredFile]) -> Self:
        """Those of ``files`` that lie in the voice's folder or below it."""
        inside = {file.path: file for file in files if file.path.startswith(f"{voice_id}/")}
        recordings, left_out = [], []
        for path in sorted(inside, key=natural):
            stem, suffix = splitext(path)
            if suffix.lower() in _AUDIO:
                text = inside.get(stem + TRANSCRIPT)
                if text is None or text.size > LONGEST_TRANSCRIPT:
                    left_out.append(inside[path])
                else:
                    recordings.append((inside[path], text))
        metadata = inside.get(f"{voice_id}/{METADATA}")
        if metadata is not None and metadata.size > LARGEST_METADATA:
            metadata = None
        return cls(voice_id, tuple(recordings), tuple(left_out), metadata)

    @property
    def audios(self) -> list[StoredFile]:
        """The audio files of the recordings."""
        return [audio for audio, _ in self.recordings]

    @property
    def transcripts(self) -> list[StoredFile]:
        """The transcripts of the recordings."""
        return [text for _, text in self.recordings]


def voices_in(tree: Mapping[str, Sequence[StoredFile]]) -> list[VoiceFiles]:
    """The voices in the folders of a store, in natural order of their ids.

    A folder with recordings is a voice. One that only has folders with recordings is a speaker, with one voice per
    folder: ``speaker/emotion``.
    """
    voices = []
    for folder, files in tree.items():
        voice = VoiceFiles.of(folder, files)
        inner = {"/".join(audio.path.split("/")[:2]) for audio in voice.audios if audio.path.count("/") > 1}
        if len(inner) == 0 or any(audio.path.count("/") == 1 for audio in voice.audios):
            voices.append(voice)
        else:
            voices += [VoiceFiles.of(voice_id, files) for voice_id in inner]
    return sorted((voice for voice in voices if voice.recordings), key=lambda voice: natural(voice.id))


def transcript(content: bytes) -> str:
    """The text of a ``.lab`` file; empty if that is no UTF-8."""
    try:
        return content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return ""
