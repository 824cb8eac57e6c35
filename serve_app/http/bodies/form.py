"""The body of a form request, read within limits and with its files on disk."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from starlette.datastructures import FormData, Headers
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request

from deployments.errors import InvalidRequest
from serve_app.http.bodies.content_type import body_type, told
from serve_app.http.errors import UnsupportedMedia

MAX_FIELDS = 2_000
MAX_FILES = 16
MAX_FIELD_BYTES = 1024**2
MAX_TEXT_BYTES = 4 * 1024**2
CHARSETS = frozenset({"ascii", "iso8859-1", "utf-8"})


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


async def _parse(kind: str, headers: Headers, stream: AsyncGenerator[bytes, None]) -> FormData:
    parser: FormParser | _MultiPart
    try:
        async with contextlib.aclosing(stream):
            if kind == "multipart/form-data":
                parser = _MultiPart(
                    headers, stream, max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
                )
                return await parser.parse()
            if kind == "application/x-www-form-urlencoded":
                limited = _limited(stream)
                parser = FormParser(headers, limited, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
                return await parser.parse()
    except MultiPartException as error:
        raise InvalidRequest(f"The form in the request body cannot be read: {error.message}") from error
    raise UnsupportedMedia(
        f"The request body is {told(kind)}; send multipart/form-data with the audio as the field `file`."
    )


class _MultiPart(MultiPartParser):
    """Starlette's parser, with a limit on all text together and an eye for bodies that are cut off."""

    _text_bytes = 0
    _complete = False

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is None:
            self._text_bytes += end - start
            if self._text_bytes > MAX_TEXT_BYTES:
                raise MultiPartException(f"All text fields together exceed {MAX_TEXT_BYTES // 1024}KB.")
        super().on_part_data(data, start, end)

    def on_end(self) -> None:
        self._complete = True

    async def parse(self) -> FormData:
        form = await super().parse()
        if not self._complete:
            for file in self._files_to_close_on_error:
                file.close()
            raise MultiPartException("It ends before its closing boundary.")
        return form


async def _limited(stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    total = 0
    async for chunk in stream:
        total += len(chunk)
        if total > MAX_TEXT_BYTES:
            raise MultiPartException(f"All fields together exceed {MAX_TEXT_BYTES // 1024}KB.")
        yield chunk
