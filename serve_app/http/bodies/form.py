"""The body of a form request, read within limits and with its files on disk."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import FormParser, MultiPartException
from starlette.requests import Request

from deployments.errors import InvalidRequest
from serve_app.fields.form_values import MAX_FIELDS, MAX_TEXT_BYTES
from serve_app.http.bodies.content_type import body_type, shown_type
from serve_app.http.bodies.multipart import MultiPart
from serve_app.http.errors import UnsupportedMedia

MAX_FILES = 16
MAX_FIELD_BYTES = 1024**2
CHARSETS = frozenset({"ascii", "iso8859-1", "utf-8"})
MULTIPART, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"


@contextlib.asynccontextmanager
async def read_form(request: Request) -> AsyncIterator[FormData]:
    """The fields and files of a multipart or urlencoded body; the files are closed on leaving.

    Raises UnsupportedMedia for another content type, InvalidRequest for a body that is malformed, cut off or
    beyond the limits, ClientDisconnect if the client leaves.
    """
    form = await _parse(body_type(request, CHARSETS), request.headers, request.stream())
    try:
        yield form
    finally:
        await form.close()


async def form_object(
    form: FormData,
    read_file: Callable[[str, UploadFile], Awaitable[Any]],
    plain_name: Callable[[str], str] = str,
    lists: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """A form as the JSON object that says the same: fields that are repeated, or named in ``lists``, are lists.

    A file becomes what ``read_file`` makes of it and its field's name, a name what ``plain_name`` makes of it.
    """
    values: dict[str, list[Any]] = {}
    for name, value in form.multi_items():
        content = await read_file(name, value) if isinstance(value, UploadFile) else value
        values.setdefault(plain_name(name), []).append(content)
    return {name: many if name in lists or len(many) > 1 else many[0] for name, many in values.items()}


async def _parse(kind: str, headers: Headers, stream: AsyncGenerator[bytes, None]) -> FormData:
    parser: FormParser | MultiPart
    try:
        async with contextlib.aclosing(stream):
            if kind == MULTIPART:
                parser = MultiPart(
                    headers, stream, max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
                )
                return await parser.parse()
            if kind == URLENCODED:
                limited = _limited(stream)
                parser = FormParser(headers, limited, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
                return await parser.parse()
    except MultiPartException as error:
        raise InvalidRequest(f"The form in the request body cannot be read: {error.message}") from error
    raise UnsupportedMedia(
        f"The request body is {shown_type(kind)}; send multipart/form-data with the audio as the field `file`."
    )


async def _limited(stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    total = 0
    async for chunk in stream:
        total += len(chunk)
        if total > MAX_TEXT_BYTES:
            raise MultiPartException(f"All fields together exceed {MAX_TEXT_BYTES // 1024}KB.")
        yield chunk
