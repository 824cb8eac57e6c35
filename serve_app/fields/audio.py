"""Audio files of clients: their bytes, plain or in base64, and their names and content types, made harmless."""

import mmap
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from deployments.errors import InvalidRequest
from serve_app.fields.base64_text import data_prefix, decode_base64

LONGEST_NAME = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Upload:
    """Bytes of an uploaded file: uint8, one-dimensional."""

    data: NDArray[np.uint8]


def uploads_of(files: Iterable[bytes]) -> tuple[Upload, ...]:
    """Files on their way to a replica, not copied."""
    return tuple(Upload(np.frombuffer(file, dtype=np.uint8)) for file in files)


def file_upload(file: BinaryIO, size: int, copied: int) -> Upload:
    """The ``size`` bytes of a file: mapped if they are more than ``copied``, so that they are never in our heap as
    a whole. They outlive the closing of the file. Raises InvalidRequest for an empty file.
    """
    if not size:
        raise InvalidRequest("The file is empty.", param="file")
    if size <= copied:
        file.seek(0)
        return uploads_of([file.read()])[0]
    file.flush()
    return Upload(np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8))


def file_name(sent: str | None) -> str | None:
    """A client's name of a file without folders and control characters, None if nothing is left."""
    name = _CONTROL.sub("", sent or "").replace("\\", "/").rpartition("/")[2].strip()
    return name[-LONGEST_NAME:] or None


def content_type(sent: str | None) -> str | None:
    """A client's content type of a file with its parameters, None if nothing is left."""
    return _CONTROL.sub("", sent or "").strip()[:LONGEST_NAME] or None


def _file(value: Any) -> Any:
    data = _decoded(value) if isinstance(value, str) else value
    if isinstance(data, bytes) and not data:
        raise PydanticCustomError("audio_empty", "Audio should be the bytes of a file, not empty")
    return data


def _decoded(text: str) -> bytes:
    start, _ = data_prefix(text)
    try:
        return decode_base64(text[start:])
    except ValueError:
        raise PydanticCustomError("base64", "Audio should be bytes, or text in valid base64") from None


AudioBytes = Annotated[bytes, BeforeValidator(_file)]
"""Bytes of a file. Text is base64, as ``serve_app.fields.base64_text`` reads it."""

_BYTES: TypeAdapter[bytes] = TypeAdapter(AudioBytes)


def audio_of(value: Any, name: str) -> Upload:
    """The file in a field of this name. Raises InvalidRequest for what is no base64, or empty."""
    try:
        return uploads_of([_BYTES.validate_python(value)])[0]
    except ValidationError as error:
        raise InvalidRequest(f"`{name}` has to be an audio file in base64.", param=name) from error
