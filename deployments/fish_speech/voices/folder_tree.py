"""What a folder of voices holds, read without a lock: every file's version is checked as it is read."""

import contextlib
import errno
import logging
import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from deployments.fish_speech.voices.names import is_name
from deployments.fish_speech.voices.store import StoredFile

logger = logging.getLogger(__name__)

_DEEPEST = 8
_MOST_FILES = 10_000  # of one voice; the rest is not looked at
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)


class FolderTree:
    """Folders and files below ``root``, which need not be there.

    Hidden files, links to folders, and links to files outside are not seen. The methods raise OSError where the
    system fails.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, folder: str) -> Path | None:
        """The folder with exactly this name, letter for letter, whatever the file system takes for equal.

        A path is only ever made of names that its folder has listed.
        """
        place = self._root
        for part in folder.split("/"):
            if part not in self.folders(place):
                return None
            place /= part
        return place

    def folders(self, place: Path) -> set[str]:
        """Names of the folders in a folder that can be parts of a voice's id."""
        return {e.name for e in self._entries(place) if is_name(e.name) and e.is_dir(follow_symlinks=False)}

    def files(self, place: Path) -> list[StoredFile]:
        """All files in a folder and below it."""
        return list(islice(self._walk(place, _DEEPEST), _MOST_FILES))

    def content(self, file: StoredFile) -> bytes | None:
        """The bytes of a file; None if it is no longer what was listed."""
        try:
            with (self._root / file.path).open("rb") as opened:
                if _version(os.fstat(opened.fileno())) != file.version:
                    return None
                content = opened.read(file.size)
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise
        return content if len(content) == file.size else None

    def _entries(self, place: Path) -> list[os.DirEntry[str]]:
        """What is in a folder and not hidden; nothing if it has gone, or is closed to us as ``lost+found`` is."""
        try:
            with os.scandir(place) as entries:
                return [entry for entry in entries if not entry.name.startswith(".") and _is_unicode(entry.name)]
        except OSError as error:
            if error.errno in _GONE:
                return []
            if error.errno == errno.EACCES and place != self._root:
                logger.warning("%s is not looked at: %s", place, error.strerror)
                return []
            raise

    def _walk(self, place: Path, depth: int) -> Iterator[StoredFile]:
        for entry in self._entries(place):
            if entry.is_dir(follow_symlinks=False):
                if depth:
                    yield from self._walk(Path(entry.path), depth - 1)
            elif not entry.is_symlink() or self._is_inside(Path(entry.path)):
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat()
                    if stat.S_ISREG(status.st_mode):
                        path = entry.path.removeprefix(f"{self._root}{os.sep}")
                        yield StoredFile(path, status.st_size, status.st_mtime, _version(status))

    def _is_inside(self, link: Path) -> bool:
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError):  # it leads nowhere, or round in circles
            return False
        return target.is_relative_to(self._root.resolve())


def _is_unicode(name: str) -> bool:
    return name.isprintable() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def _version(status: os.stat_result) -> str:
    return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"
