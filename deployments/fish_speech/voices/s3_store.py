"""Voices in an S3 bucket, shared by any number of replicas.

S3 cannot rename, and writes one object at a time. So a voice that is being made or removed has an object
``.writing`` in its folder, and nobody sees the folder while that is there. It is also the lock: only one writer
can put it. What a crash leaves stays unseen, and is swept up when a voice is added later.
"""

import contextlib
import threading
import uuid
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, time
from typing import TypeVar

from deployments.errors import ModelUnavailable, Overloaded, VoiceConflict
from deployments.fish_speech.voices.metadata import METADATA
from deployments.fish_speech.voices.names import is_name, shown
from deployments.fish_speech.voices.s3_objects import CONNECTIONS, S3Object, S3Objects
from deployments.fish_speech.voices.store import StoredFile

_MARK = ".writing"
_ABANDONED_S = 900.0
"""A mark of this age was left by a crash: no writer takes so long."""
_FRESH_S = 2.0
"""For how long a listing is believed."""
_MOST_LISTINGS = 1_000
_CACHE_BYTES = 64 << 20

Item = TypeVar("Item")
Result = TypeVar("Result")


class S3Store:
    """A ``VoiceStore`` below a prefix of a bucket.

    Voices that another machine has added or changed are seen after two seconds at the latest. If two machines add
    voices at the same moment, there may be one more than ``most``.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        self._objects = S3Objects(bucket, prefix)
        self._lock = threading.Lock()
        self._changes = 0
        self._listings: dict[str, tuple[float, list[StoredFile]]] = {}
        self._contents: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._cached_bytes = 0

    def tree(self) -> Mapping[str, Sequence[StoredFile]]:
        """All files by the first part of their path. Raises ModelUnavailable."""
        folders: dict[str, list[StoredFile]] = defaultdict(list)
        for file in self._listing(""):
            folders[file.path.split("/")[0]].append(file)
        return folders

    def files(self, folder: str) -> Sequence[StoredFile]:
        """All files in a folder and below it. Raises ModelUnavailable."""
        inside = self._listing(f"{folder.split('/')[0]}/")  # a mark above hides it, too
        return [file for file in inside if file.path.startswith(f"{folder}/")]

    def read(self, files: Sequence[StoredFile]) -> list[bytes | None]:
        """Contents in order; None for a file that is no longer what was listed. Raises ModelUnavailable."""
        return _each(self._content, files)

    def create(self, folder: str, contents: Mapping[str, bytes], most: int) -> None:
        """Keep a new voice. Raises VoiceConflict, ModelUnavailable, Overloaded."""
        names = {item.path.split("/")[0] for item in self._swept() if "/" in item.path}
        if sum(map(is_name, names)) >= most:
            raise VoiceConflict(f"There are {most} voices already, and no more are kept; delete one first.")
        self._make(folder, lambda: _each(lambda name: self._put(folder, name, contents[name]), contents))

    def write(self, folder: str, name: str, content: bytes) -> bool:
        """Put one file into a voice's folder, or replace it. Raises ModelUnavailable."""
        self._forget()
        if not self.files(folder):
            return False
        self._put(folder, name, content)
        self._forget()
        return True

    def rename(self, folder: str, new: str, metadata: bytes) -> bool:
        """Give a voice another folder and new metadata. Raises VoiceConflict, ModelUnavailable, Overloaded.

        The new one is there before the old one goes: a crash in between leaves both.
        """
        items = {item.path: item for item in self._objects.list(f"{folder}/")}
        if not items or f"{folder}/{_MARK}" in items:
            return False
        items.pop(f"{folder}/{METADATA}", None)

        def copy(item: S3Object) -> None:
            if not self._objects.copy(item, f"{new}/{item.path.removeprefix(f'{folder}/')}"):
                raise Overloaded(f"Somebody is changing the voice {shown(folder)}; try again.", retry_after_s=1)

        def make() -> None:
            _each(copy, list(items.values()))
            self._put(new, METADATA, metadata)

        self._make(new, make)
        try:
            self._mark(folder)
        except BaseException:
            self._remove(new)
            raise
        with contextlib.suppress(ModelUnavailable):  # it is hidden, and swept up later
            self._empty(folder)
        self._forget()
        return True

    def delete(self, folder: str) -> bool:
        """Remove a folder. Raises ModelUnavailable, Overloaded."""
        done = self._remove(folder)
        self._forget()
        return done

    def _make(self, folder: str, fill: Callable[[], object]) -> None:
        """Mark a folder that is empty, fill it, and take the mark away; if that fails, empty it again."""
        if _is_taken(self._objects.list(f"{folder}/")):
            raise _taken(folder)
        self._mark(folder)
        if _is_taken(self._objects.list(f"{folder}/")):
            self._objects.delete(f"{folder}/{_MARK}")
            raise _taken(folder)
        try:
            fill()
            self._objects.delete(f"{folder}/{_MARK}")
        except BaseException:
            self._empty(folder)
            raise
        finally:
            self._forget()

    def _remove(self, folder: str) -> bool:
        if all(item.path.endswith(f"/{_MARK}") for item in self._objects.list(f"{folder}/")):
            return False
        self._mark(folder)
        self._empty(folder)
        return True

    def _swept(self) -> list[S3Object]:
        """Everything there is, after what crashes have left has been removed."""
        items = list(self._objects.list())
        marks = [item for item in items if item.path.endswith(f"/{_MARK}") and self._is_abandoned(item)]
        for mark in marks:
            with contextlib.suppress(Overloaded):  # somebody else is doing it
                self._mark(mark.path.removesuffix(f"/{_MARK}"))
                self._empty(mark.path.removesuffix(f"/{_MARK}"))
        return list(self._objects.list()) if marks else items

    def _mark(self, folder: str) -> None:
        """Hide a folder, and keep other writers away from it. Raises Overloaded if there is one."""
        path = f"{folder}/{_MARK}"
        mark = next((item for item in self._objects.list(path) if item.path == path), None)
        busy = mark is not None and not self._is_abandoned(mark)
        if busy or not self._objects.put_if(path, uuid.uuid4().bytes, None if mark is None else mark.etag):
            raise Overloaded(f"Somebody is changing the voice {shown(folder)}; try again.", retry_after_s=1)

    def _empty(self, folder: str) -> None:
        """Remove everything in a folder that is marked, the mark last."""
        paths = [item.path for item in self._objects.list(f"{folder}/")]
        _each(self._objects.delete, [path for path in paths if path != f"{folder}/{_MARK}"])
        self._objects.delete(f"{folder}/{_MARK}")

    def _put(self, folder: str, name: str, content: bytes) -> None:
        self._objects.put(f"{folder}/{name}", content)

    def _is_abandoned(self, mark: S3Object) -> bool:
        return time() - mark.modified > _ABANDONED_S

    def _listing(self, below: str) -> list[StoredFile]:
        with self._lock:
            since, known = self._listings.get(below, (float("-inf"), []))
            changes = self._changes
        if monotonic() - since < _FRESH_S:
            return known
        asked = monotonic()
        files = _visible(self._objects.list(below))
        with self._lock:
            if files and changes == self._changes:
                if len(self._listings) >= _MOST_LISTINGS:
                    self._listings.clear()
                self._listings[below] = asked, files
        return files

    def _forget(self) -> None:
        """Believe no listing that was asked for before now."""
        with self._lock:
            self._changes += 1
            self._listings.clear()

    def _content(self, file: StoredFile) -> bytes | None:
        key = file.path, file.version
        with self._lock:
            if key in self._contents:
                self._contents.move_to_end(key)
                return self._contents[key]
        content = self._objects.get(file.path, file.version)
        if content is None:
            self._forget()
            return None
        with self._lock:
            if key not in self._contents:
                self._contents[key] = content
                self._cached_bytes += len(content)
            while self._cached_bytes > _CACHE_BYTES:
                self._cached_bytes -= len(self._contents.popitem(last=False)[1])
        return content


def _visible(items: Iterable[S3Object]) -> list[StoredFile]:
    """Files in folders that could be voices', without those that are being written."""
    listed = list(items)
    marked = tuple(item.path.removesuffix(_MARK) for item in listed if item.path.endswith(f"/{_MARK}"))
    return [
        StoredFile(item.path, item.size, item.modified, item.etag)
        for item in listed
        if not item.path.startswith(marked) and _is_file(item.path)
    ]


def _is_file(path: str) -> bool:
    folder, *rest = path.split("/")
    return is_name(folder) and bool(rest) and all(part and part[0] != "." for part in rest)


def _is_taken(items: Iterable[S3Object]) -> bool:
    """Whether a folder holds more than what a writer may leave who came too late."""
    return any(item.path.rsplit("/", 1)[1] not in (_MARK, METADATA) for item in items)


def _taken(folder: str) -> VoiceConflict:
    return VoiceConflict(
        f"The id {shown(folder)} is taken; choose another one, or delete that voice first.", param="id"
    )


def _each(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Do something with every item, several at a time; raises the first error when all have ended."""
    listed = list(items)
    if len(listed) < 2:
        return list(map(work, listed))
    with ThreadPoolExecutor(min(CONNECTIONS, len(listed))) as pool:
        return list(pool.map(work, listed))
