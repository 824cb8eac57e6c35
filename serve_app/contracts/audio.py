"""The audio of a job: at an address, or inside its input as base64."""

from dataclasses import dataclass

from deployments.errors import ForbiddenUrl, InvalidRequest, PayloadTooLarge
from serve_app.concurrency import LARGE_BYTES, run_off_loop
from serve_app.fields.audio import Upload, uploads_of
from serve_app.fields.base64_text import data_prefix, decode_base64

LONGEST_URL = 8_192


@dataclass(frozen=True, slots=True)
class JobAudio:
    """Either ``url`` or ``upload``, with what a ``data:`` prefix said about its content type."""

    url: str | None = None
    upload: Upload | None = None
    content_type: str | None = None


def audio_at(url: object, param: str) -> JobAudio:
    """Audio to be fetched from an http or https address. Raises InvalidRequest, ForbiddenUrl."""
    if not isinstance(url, str) or not url.strip():
        raise InvalidRequest(f"`{param}` has to be the address of a file, as text.", param=param)
    if not url.strip().lower().startswith(("http://", "https://")):
        raise ForbiddenUrl(
            f"`{param}` has to begin with http:// or https://; send other files as base64.", param=param
        )
    if len(url) > LONGEST_URL:
        raise InvalidRequest(f"`{param}` has to have at most {LONGEST_URL} characters.", param=param)
    return JobAudio(url=url.strip())


async def audio_in(text: object, param: str, limit: int) -> JobAudio:
    """Audio of at most ``limit`` bytes in base64, with or without a ``data:`` prefix.

    Raises InvalidRequest, PayloadTooLarge.
    """
    if not isinstance(text, str):
        raise InvalidRequest(f"Failed to decode {param} data: it has to be base64, as text.", param=param)
    start, content_type = data_prefix(text)
    if (len(text) - start) * 3 // 4 > limit + 2:  # padding counts for up to two bytes
        raise PayloadTooLarge(
            f"`{param}` holds more than the {limit} bytes that are taken. Send compressed audio, or its address.",
            param=param,
        )
    data = await run_off_loop(lambda: _decoded(text[start:], param), large=len(text) > LARGE_BYTES)
    if not data:
        raise InvalidRequest(f"`{param}` is empty; send the bytes of a file as base64.", param=param)
    return JobAudio(upload=uploads_of([data])[0], content_type=content_type)


def _decoded(text: str, param: str) -> bytes:
    try:
        return decode_base64(text)
    except ValueError as error:
        raise InvalidRequest(
            f"Failed to decode {param} data: it is not valid base64; send the bytes of a file as base64.",
            param=param,
        ) from error
