"""The bytes of a request's body, within a limit."""

import contextlib

from starlette.requests import Request

from deployments.errors import PayloadTooLarge


async def read_bytes(
    request: Request, limit: int | None = None, too_large: str = "", *, discarded: int = 0
) -> bytearray:
    """The body, of at most ``limit`` bytes; without a limit the middleware's holds.

    Of a larger one up to ``discarded`` bytes more are read and thrown away, so that clients that only read
    afterwards see the refusal. Raises PayloadTooLarge with the sentence ``too_large``, ClientDisconnect if the
    client leaves.
    """
    body = bytearray()
    received = 0
    async with contextlib.aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            received += len(chunk)
            if limit is None or received <= limit:
                body += chunk
                continue
            body.clear()
            if received > limit + discarded:
                break
    if limit is not None and received > limit:
        raise PayloadTooLarge(too_large)
    return body
