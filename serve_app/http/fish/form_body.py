"""Bodies that may be forms as well: the same fields, files instead of bytes."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeVar

from starlette.datastructures import UploadFile
from starlette.requests import Request

from serve_app.http.bodies.form import MULTIPART, URLENCODED, form_object, read_form
from serve_app.http.fish.bodies import read_fields

T = TypeVar("T")


async def read_any(
    request: Request, make: Callable[[Mapping[str, Any]], T], lists: frozenset[str] = frozenset()
) -> T:
    """What ``make`` makes of the fields of a form, a JSON or a msgpack object.

    A field of a form is a text or a file's bytes; those called in ``lists``, and repeated ones, are lists.
    Raises what ``read_form``, ``read_fields`` and ``make`` raise.
    """
    if not request.headers.get("content-type", "").lower().startswith((MULTIPART, URLENCODED)):
        return await read_fields(request, make)
    async with read_form(request) as form:
        fields = await form_object(form, _content, _plain_name, lists)
    return await asyncio.to_thread(make, fields)


async def _content(name: str, file: UploadFile) -> bytes:
    return await asyncio.to_thread(_bytes_of, file.file)


def _bytes_of(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def _plain_name(name: str) -> str:
    return name.removesuffix("[]")
