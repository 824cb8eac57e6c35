"""What the library needs of a place that keeps files: a folder, a bucket."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it was when it was listed. ``path`` begins with its voice's folder and has slashes.

    ``size`` in bytes, ``modified`` in Unix time; ``version`` differs as soon as the content does.
    """

    path: str
    size: int
    modified: float
    version: str


class VoiceStore(Protocol):
    """Files of voices, in one folder per voice. Blocking; safe between threads, processes and machines.

    A ``folder`` is ``name`` or ``name/name``, checked by ``is_id``. Nobody sees a voice that is half written, also
    after a crash. All methods raise ModelUnavailable when the place cannot be reached or written.
    """

    def tree(self) -> Mapping[str, Sequence[StoredFile]]:
        """All files by the first part of their path, in no order."""
        ...

    def files(self, folder: str) -> Sequence[StoredFile]:
        """All files in a folder and below it, in no order; none if it is not there, under exactly this name."""
        ...

    def read(self, files: Sequence[StoredFile]) -> list[bytes | None]:
        """Contents in order; None for a file that is no longer what was listed. List it again then."""
        ...

    def create(self, folder: str, contents: Mapping[str, bytes], most: int) -> None:
        """Keep a new voice whole, or raise VoiceConflict: the folder is taken, or there are ``most`` already."""
        ...

    def write(self, folder: str, name: str, content: bytes) -> bool:
        """Put one file into a voice's folder, or replace it. False if there is no such voice."""
        ...

    def rename(self, folder: str, new: str, metadata: bytes) -> bool:
        """Give a voice another folder and new metadata. False if there is no such voice.

        Raises VoiceConflict if the new folder is taken.
        """
        ...

    def delete(self, folder: str) -> bool:
        """Remove a folder and everything in it. False if there is none."""
        ...
