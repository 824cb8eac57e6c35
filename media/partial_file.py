"""A file that others see only when it is complete."""

import secrets
from pathlib import Path


class PartialFile:
    """A hidden neighbour of ``destination`` that takes its place on :meth:`commit`.

    The methods block; they may be called from different threads. The file is buffered although the writes are
    large: the buffer's lock makes ``discard`` wait for a ``write`` that a cancelled task left running on
    its thread. Raises ``OSError`` as any file does.
    """

    def __init__(self, destination: Path) -> None:
        self._destination = destination
        self._path = destination.with_name(f".{secrets.token_hex(8)}.part")
        self._file = self._path.open("xb")

    def write(self, data: bytes | bytearray) -> None:
        self._file.write(data)

    def commit(self, data: bytes | bytearray = b"") -> None:
        """Write ``data``, the last, and rename the file to its destination, replacing what is there."""
        self._file.write(data)
        self._file.close()
        self._path.replace(self._destination)

    def discard(self) -> None:
        """Close and remove the file; after :meth:`commit`, and when called again, it does nothing."""
        self._file.close()
        self._path.unlink(missing_ok=True)
