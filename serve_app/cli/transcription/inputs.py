"""What is to be transcribed: files, URLs, standard input."""

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from deployments.errors import InvalidRequest, PayloadTooLarge

STDIN = "-"
PIPE_BYTES = 2 * 1024**3
COPY_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class AudioInput:
    """One input, under the name that the user gave it: a file on this machine or a URL."""

    name: str
    path: Path | None = None
    url: str | None = None

    @property
    def stem(self) -> str:
        """What a file with the transcript is called, without its ending."""
        if self.name == STDIN:
            return "stdin"
        path = unquote(urlsplit(self.url).path) if self.url else self.name
        return Path(path).stem or "audio"


def open_input(name: str, stack: ExitStack) -> AudioInput:
    """The input that an argument means. Standard input and pipes go to a file that the stack removes.

    Raises InvalidRequest if there is no such file, PayloadTooLarge if a pipe does not end.
    """
    if name == STDIN:
        return AudioInput(name, path=_spool(sys.stdin.buffer, stack))
    if name.lower().startswith(("http://", "https://")):
        return AudioInput(name, url=name)
    if "://" in name:
        raise InvalidRequest(f"{name} cannot be fetched: only http and https URLs are.")
    path = Path(name)
    if path.is_dir():
        raise InvalidRequest(f"{name} is a folder; name the files in it.")
    if not path.exists():
        raise InvalidRequest(f"There is no file {name}.")
    if not path.is_file():
        path = _spool(stack.enter_context(path.open("rb")), stack)
    return AudioInput(name, path=path)


def _spool(source: BinaryIO, stack: ExitStack) -> Path:
    path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="audio-")), "audio")
    size = 0
    with path.open("wb") as target:
        while data := source.read(COPY_BYTES):
            size += len(data)
            if size > PIPE_BYTES:
                raise PayloadTooLarge(f"A pipe may hold {PIPE_BYTES} bytes; save this to a file and name that.")
            target.write(data)
    return path
