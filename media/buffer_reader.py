"""Bytes in memory as a file."""

import io
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray


class BufferReader(io.RawIOBase):
    """A seekable, read-only file over a buffer that is not copied.

    ``buffer``: contiguous bytes or a contiguous array of any dtype, for example an upload that arrives as a
    ``uint8`` array mapped from shared memory. The buffer is held until :meth:`close`.
    Raises ``TypeError`` for a buffer that is not contiguous.
    """

    def __init__(self, buffer: bytes | bytearray | memoryview | NDArray[Any]) -> None:
        self._view = memoryview(b"")  # is closed even if the buffer is refused
        view = buffer.data if isinstance(buffer, np.ndarray) else memoryview(buffer)
        if view.nbytes:
            self._view = view.cast("B")
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: len(self._view)}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, target: Any) -> int:
        part = self._view[self._position : self._position + len(target)]
        target[: len(part)] = part
        self._position += len(part)
        return len(part)

    def close(self) -> None:
        self._view.release()
        super().close()
