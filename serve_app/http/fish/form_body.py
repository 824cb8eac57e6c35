"""Bodies that may be forms as well: the same fields, files instead of bytes."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from serve_app.http.bodies.form import read_form
from serve_app.http.fish.bodies import read_fields

T = TypeVar("T")

FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


async def read_any(
    request: Request, make: Callable[[Mapping[str, Any]], T], lists: frozenset[str] = frozenset()
) -> T:
    """What ``make`` makes of the fields of a form, a JSON or a msgpack object.

    A field of a form is a text or a file's bytes; those called in ``lists``, and repeated ones, are lists.
    Raises what ``read_form``, ``read_fields`` and ``make`` raise.
    """
    if not request.headers.get("content-type", "").lower().startswith(FORMS):
        return await read_fields(request, make)
    async with read_form(request) as form:
        fields = await asyncio.to_thread(_fields, form, lists)
    return await asyncio.to_thread(make, fields)


def _fields(form: FormData, lists: frozenset[str]) -> dict[str, Any]:
    found: dict[str, list[str | bytes]] = {}
    for name, value in form.multi_items():
        found.setdefault(name.removesuffix("[]"), []).append(_value(value))
    return {name: values if name in lists or len(values) > 1 else values[0] for name, values in found.items()}


def _value(value: UploadFile | str) -> str | bytes:
    if isinstance(value, str):
        return value
    value.file.seek(0)
    return value.file.read()
