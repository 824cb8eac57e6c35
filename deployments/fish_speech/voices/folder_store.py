"""Voices in a folder of this machine, or of one that several machines mount.

Writers hold a lock file. What they write is collected in a hidden folder and renamed when it is whole; what they
remove is renamed first. Readers take no lock, see ``folder_tree``.
"""

import contextlib
import errno
import logging
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from deployments.errors import ModelUnavailable, Overloaded, VoiceConflict
from deployments.fish_speech.voices.folder_tree import FolderTree
from deployments.fish_speech.voices.metadata import METADATA
from deployments.fish_speech.voices.names import shown
from deployments.fish_speech.voices.store import StoredFile

logger = logging.getLogger(__name__)

_LOCK_S = 30.0
_UNFINISHED, _REMOVED = ".new-", ".old-"
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EINVAL)


class FolderStore:
    """A ``VoiceStore`` in ``root``, which is made when the first voice comes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._tree = FolderTree(root)

    def tree(self) -> Mapping[str, Sequence[StoredFile]]:
        """All files by the first part of their path. Raises ModelUnavailable."""
        with self._translated("read"):
            return {name: self._tree.files(self._root / name) for name in self._tree.folders(self._root)}

    def files(self, folder: str) -> Sequence[StoredFile]:
        """All files in a folder and below it. Raises ModelUnavailable."""
        with self._translated("read"):
            place = self._tree.find(folder)
            return [] if place is None else self._tree.files(place)

    def read(self, files: Sequence[StoredFile]) -> list[bytes | None]:
        """Contents in order; None for a file that is no longer what was listed. Raises ModelUnavailable."""
        with self._translated("read"):
            return [self._tree.content(file) for file in files]

    def create(self, folder: str, contents: Mapping[str, bytes], most: int) -> None:
        """Keep a new voice. Raises VoiceConflict, ModelUnavailable, Overloaded."""
        with self._translated("written"), self._alone():
            if len(self._tree.folders(self._root)) >= most:
                raise VoiceConflict(f"There are {most} voices already, and no more are kept; delete one first.")
            unfinished = self._root / f"{_UNFINISHED}{uuid.uuid4().hex}"
            unfinished.mkdir()
            try:
                for name, content in contents.items():
                    _write(unfinished / name, content)
                _sync(unfinished)
                self._move(unfinished, folder)
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise

    def write(self, folder: str, name: str, content: bytes) -> bool:
        """Put one file into a voice's folder, or replace it. Raises ModelUnavailable, Overloaded."""
        with self._translated("written"), self._alone():
            place = self._tree.find(folder)
            if place is not None:
                self._replace(place / name, content)
            return place is not None

    def rename(self, folder: str, new: str, metadata: bytes) -> bool:
        """Give a voice another folder and new metadata. Raises VoiceConflict, ModelUnavailable, Overloaded."""
        with self._translated("written"), self._alone():
            place = self._tree.find(folder)
            if place is None:
                return False
            described = place / METADATA
            before = described.read_bytes() if described.is_file() else None
            self._replace(described, metadata)
            try:
                self._move(place, new)
            except BaseException:
                if before is None:
                    described.unlink()
                else:
                    self._replace(described, before)
                raise
            self._prune(place)
            return True

    def delete(self, folder: str) -> bool:
        """Remove a folder. Raises ModelUnavailable, Overloaded."""
        with self._translated("written"), self._alone():
            place = self._tree.find(folder)
            if place is None:
                return False
            removed = self._root / f"{_REMOVED}{uuid.uuid4().hex}"
            place.rename(removed)
            _sync(self._root)
            self._prune(place)
            shutil.rmtree(removed, ignore_errors=True)
            return True

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the library against other writers, and sweep up what those left who did not come to an end."""
        self._root.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(self._root / ".lock", timeout=_LOCK_S).acquire()
        except Timeout as error:
            raise Overloaded("Others are changing the voices; try again.", retry_after_s=_LOCK_S) from error
        with lock:
            for entry in os.scandir(self._root):
                if entry.name.startswith((_UNFINISHED, _REMOVED)):
                    shutil.rmtree(entry.path, ignore_errors=True)
                    with contextlib.suppress(OSError):
                        os.unlink(entry.path)
            yield

    @contextlib.contextmanager
    def _translated(self, done: str) -> Iterator[None]:
        """Errors of the file system become those of our tree."""
        try:
            yield
        except OSError as error:
            logger.exception("the voices in %s cannot be %s", self._root, done)
            match error.errno:
                case errno.ENOSPC | errno.EDQUOT:
                    why = "the disk is full"
                case errno.EACCES | errno.EPERM | errno.EROFS:
                    why = "the server has no right to"
                case _:
                    why = "the log says why"
            raise ModelUnavailable(f"The voices cannot be {done}: {why}.") from error

    def _replace(self, path: Path, content: bytes) -> None:
        unfinished = self._root / f"{_UNFINISHED}{uuid.uuid4().hex}"
        try:
            _write(unfinished, content)
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        _sync(path.parent)

    def _move(self, place: Path, folder: str) -> None:
        """Rename; the system refuses to do so onto a folder that holds anything."""
        try:
            place.rename(self._root / folder)
        except OSError as error:
            if error.errno in _TAKEN:
                raise VoiceConflict(
                    f"The id {shown(folder)} is taken; choose another one, or delete that voice first.", param="id"
                ) from error
            raise
        _sync(self._root)

    def _prune(self, place: Path) -> None:
        """Remove the folder of a speaker whose last voice has gone."""
        if place.parent != self._root:
            with contextlib.suppress(OSError):
                place.parent.rmdir()


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make a folder's entries outlast a power failure, where the file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
