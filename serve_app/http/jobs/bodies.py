"""Bodies of the job API: JSON of any content type, because clients send it under several."""

from collections.abc import Callable
from typing import Any, TypeVar

from starlette.requests import Request

from serve_app.concurrency import LARGE_BYTES, run_off_loop
from serve_app.http.bodies.content_type import body_type
from serve_app.http.bodies.json_body import parse_json
from serve_app.http.bodies.raw import read_bytes

T = TypeVar("T")

CHARSETS = frozenset({"ascii", "iso8859-1", "utf-8"})


async def read_body(request: Request, limit: int, make: Callable[[Any], T]) -> T:
    """What ``make`` makes of the body's JSON. If the body is large, both are done on a thread.

    Raises PayloadTooLarge, InvalidRequest for a body that is no JSON, UnsupportedMedia for a compressed one,
    ClientDisconnect if the client leaves.
    """
    body_type(request, CHARSETS)
    body = await read_job_bytes(request, limit)
    return await run_off_loop(lambda: make(parse_json(body)), large=len(body) >= LARGE_BYTES)


async def read_job_bytes(request: Request, limit: int) -> bytearray:
    """The body, of at most ``limit`` bytes. Raises PayloadTooLarge, ClientDisconnect if the client leaves."""
    too_large = (
        f"The request body is larger than the {limit} bytes that are taken here; "
        "send a URL in the job's input instead of the data itself."
    )
    return await read_bytes(request, limit, too_large)
