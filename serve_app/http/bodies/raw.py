"""The bytes of a request's body, within a limit."""

import contextlib

from starlette.requests import Request

from deployments.errors import PayloadTooLarge


async def read_bytes(request: Request, limit: int | None = None, too_large: str = "") -> bytearray:
    """The body, of at most ``limit`` bytes; without a limit the middleware's holds.

    Raises PayloadTooLarge with the sentence ``too_large``, ClientDisconnect if the client leaves.
    """
    body = bytearray()
    async with contextlib.aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            body += chunk
            if limit is not None and len(body) > limit:
                raise PayloadTooLarge(too_large)
    return body
