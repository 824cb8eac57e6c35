"""Places that voices are kept in, and files to be put there."""

import os
from pathlib import Path
from typing import Any, Protocol

import boto3.session

from deployments.fish_speech.config import VoicesConfig
from deployments.fish_speech.types import NewVoice, VoiceDetails
from deployments.fish_speech.voices.library import VoiceLibrary
from tests.media.sound import int16, tone, wav

RATE = 16_000


def recording(hertz: float = 440, seconds: float = 0.5) -> bytes:
    """A WAV file with a tone."""
    return wav(int16(tone(seconds, RATE, hertz)).tobytes(), RATE)


def new_voice(voice_id: str, *texts: str, **details: Any) -> NewVoice:
    return NewVoice(id=voice_id, texts=texts or ("hello",), details=VoiceDetails(**details))


class Place(Protocol):
    """Where a library is, as somebody sees it who works on the files by hand."""

    name: str

    def put(self, path: str, content: bytes) -> None: ...
    def remove(self, path: str) -> None: ...
    def paths(self) -> list[str]: ...


class Folder:
    def __init__(self, root: Path) -> None:
        self.root, self.name = root, str(root)

    def put(self, path: str, content: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content)

    def remove(self, path: str) -> None:
        (self.root / path).unlink()

    def paths(self) -> list[str]:
        """Everything, folders too, but for the lock."""
        below = (Path(place, name) for place, folders, names in os.walk(self.root) for name in (*folders, *names))
        return sorted(path.relative_to(self.root).as_posix() for path in below if path.name != ".lock")


class Bucket:
    def __init__(self, bucket: str) -> None:
        self.name = f"s3://{bucket}/voices/de"
        self._bucket = boto3.session.Session().resource("s3").create_bucket(Bucket=bucket)
        self._bucket.put_object(Key="voices/de-old/other/a.wav", Body=recording())
        self._bucket.put_object(Key="voices/de-old/other/a.lab", Body=b"of another prefix")

    def put(self, path: str, content: bytes) -> None:
        self._bucket.put_object(Key=f"voices/de/{path}", Body=content)

    def remove(self, path: str) -> None:
        self._bucket.Object(f"voices/de/{path}").delete()

    def paths(self) -> list[str]:
        """Everything, and the folders that consoles would show."""
        keys = [item.key.removeprefix("voices/de/") for item in self._bucket.objects.filter(Prefix="voices/de/")]
        return sorted({"/".join(key.split("/")[:n]) for key in keys for n in range(1, key.count("/") + 2)})


def library(place: Place | None = None, *shipped: Place, most: int = 1_000) -> VoiceLibrary:
    """A library as a replica of its own would open it."""
    return VoiceLibrary(
        VoicesConfig(
            library=None if place is None else place.name,
            shipped=tuple(one.name for one in shipped),
            max_voices=most,
        )
    )
