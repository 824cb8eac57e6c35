"""Parts of a file, and bytes, as one file."""

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol


class BinaryFile(Protocol):
    """What is needed of a file that is open for reading; every ``BinaryIO`` and ``io.RawIOBase`` has it."""

    def read(self, size: int = -1, /) -> bytes | None: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...
    def seekable(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Part:
    """``length`` bytes of a file from ``start`` on."""

    start: int
    length: int


class PartsFile:
    """A :class:`BinaryFile` of parts of another one that can seek, and of bytes, one after the other.

    Nothing is copied. It moves the other file's position, and ends early where that one does.
    """

    def __init__(self, file: BinaryFile, parts: Sequence[Part | bytes]) -> None:
        self._file, self._parts = file, parts
        lengths = (len(part) if isinstance(part, bytes) else part.length for part in parts)
        self._starts = list(accumulate(lengths, initial=0))
        self._position = 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._starts[-1]}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes, not always as many; all that is left if it is negative."""
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        index = bisect_right(self._starts, self._position) - 1
        if index >= len(self._parts):
            return b""
        part, offset = self._parts[index], self._position - self._starts[index]
        size = min(size, self._starts[index + 1] - self._position)
        if isinstance(part, bytes):
            data = part[offset : offset + size]
        else:
            self._file.seek(part.start + offset)
            data = self._file.read(size) or b""
        self._position += len(data)
        return data


def read_up_to(file: BinaryFile, size: int) -> bytes:
    """The next ``size`` bytes; fewer only at the end."""
    data = b""
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data


class HeadFirst:
    """A :class:`BinaryFile` that cannot seek: bytes that were read ahead, then the rest of another one."""

    def __init__(self, head: bytes, file: BinaryFile) -> None:
        self._head, self._file = head, file
        self._position = 0

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        raise OSError("this file cannot seek")

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            end = len(self._head) if size < 0 else size
            data, self._head = self._head[:end], self._head[end:]
            if size < 0:
                data += self._file.read() or b""
        else:
            data = self._file.read(size) or b""
        self._position += len(data)
        return data
