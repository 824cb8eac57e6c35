"""``multipart/form-data``: Starlette's parser within our limits, and what clients write in its place."""

import re
from collections.abc import AsyncGenerator
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser

from serve_app.fields.form_values import MAX_TEXT_BYTES

LONGEST_PREAMBLE = 4 * 1024
# Fields that hold files in one API or another. Bytes of an unknown kind are a file there, and text elsewhere.
FILE_FIELDS = frozenset({"file", "files", "audio", "audios", "audio_sample", "voices", "cover_image"})
FILE_TYPES = ("audio/", "video/", "image/", "application/ogg")
ENCODED = frozenset({"base64", "quoted-printable"})
_PARAMETER = re.compile(rb';\s*([^\s;="]+)\s*=\s*("(?:[^"\\]|\\.)*+"|[^;]*)')
# What python-multipart finds wrong, by the words of its errors, as what the client has to change.
_MISTAKES = {
    "Maximum header size": "A part has a header of more than 4 KiB; send a shorter file name.",
    "Maximum header count": "A part has too many headers.",
    "Boundary length": "Its boundary is longer than 256 characters.",
    "Expected boundary": "It does not begin with the boundary that its Content-Type names.",
    "Did not find": "Its lines have to end with CR LF, those of the boundary right behind the boundary.",
}


class MultiPart(MultiPartParser):
    """A limit on all text together, an eye for bodies that are cut off, and files that do not say so.

    A part is a file if it has a file name, in RFC 5987's spelling as well (``filename*``), or a type that only
    files have. Text before the first boundary is skipped.
    """

    _text_bytes = 0
    _complete = False

    def on_headers_finished(self) -> None:
        part = self._current_part
        headers = {name: value.decode("latin-1").strip().lower() for name, value in part.item_headers}
        encoding = headers.get(b"content-transfer-encoding", "")
        if encoding in ENCODED:
            raise MultiPartException(
                f"A part has `Content-Transfer-Encoding: {encoding}`; send its bytes as they are."
            )
        disposition = part.content_disposition or b""
        _, options = parse_options_header(disposition)
        extended = _extended_name(disposition)
        hidden = b"filename" not in options and (
            extended is not None
            or _is_file(options.get(b"name", b"").decode("latin-1"), headers.get(b"content-type", ""))
        )
        if hidden:
            part.content_disposition = disposition + b'; filename=""'
        super().on_headers_finished()
        if hidden and part.file is not None:
            part.file.filename = extended or ""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._current_part
        if part.file is None:
            self._text_bytes += end - start
            if len(part.data) + end - start > self.max_part_size:
                raise MultiPartException(
                    f"The text of `{part.field_name[:64]}` exceeds {self.max_part_size // 1024}KB. "
                    "If it is a file, send it with a file name."
                )
            if self._text_bytes > MAX_TEXT_BYTES:
                raise MultiPartException(f"All text fields together exceed {MAX_TEXT_BYTES // 1024}KB.")
        super().on_part_data(data, start, end)

    def on_end(self) -> None:
        self._complete = True

    async def parse(self) -> FormData:
        _, options = parse_options_header(self.headers["Content-Type"])
        if boundary := options.get(b"boundary"):
            self.stream = _from_boundary(self.stream, b"--" + boundary)
        try:
            form = await super().parse()
        except MultiPartException as error:
            if isinstance(error.__cause__, FormParserError):
                raise MultiPartException(_mistake(error.__cause__)) from error
            raise
        if not self._complete:
            for file in self._files_to_close_on_error:
                file.close()
            raise MultiPartException("It ends before its closing boundary.")
        return form


def _is_file(name: str, kind: str) -> bool:
    if kind.partition(";")[0].strip() == "application/octet-stream":
        return name.partition("[")[0] in FILE_FIELDS
    return kind.startswith(FILE_TYPES)


def _extended_name(disposition: bytes) -> str | None:
    """The file name in ``filename*``, None without one."""
    for key, value in _PARAMETER.findall(disposition):
        if key.lower() == b"filename*":
            charset, _, rest = value.strip().strip(b'"').partition(b"'")
            latin = charset.lower() == b"iso-8859-1"
            return unquote_to_bytes(rest.partition(b"'")[2]).decode("latin-1" if latin else "utf-8", "replace")
    return None


async def _from_boundary(stream: AsyncGenerator[bytes, None], boundary: bytes) -> AsyncGenerator[bytes, None]:
    """The body from the first line on that begins with the boundary; the whole of it if there is none for long."""
    held = b""
    looking = True
    async for chunk in stream:
        if not looking:
            yield chunk
            continue
        held += chunk
        begin = 0 if held.startswith(boundary) else held.find(b"\r\n" + boundary, 0, LONGEST_PREAMBLE)
        if begin >= 0 or len(held) > LONGEST_PREAMBLE:
            looking = False
            yield held[max(0, begin) :]
    if looking:
        yield held


def _mistake(error: FormParserError) -> str:
    sentences = (sentence for words, sentence in _MISTAKES.items() if words in str(error))
    return next(sentences, "It is damaged.")
