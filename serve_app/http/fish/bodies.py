"""Bodies of fish-speech's API: a JSON or a msgpack object, read within limits.

msgpack carries audio as bytes, JSON as base64.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import ormsgpack
from starlette.requests import Request

from deployments.errors import InvalidRequest, PayloadTooLarge
from serve_app.concurrency import LARGE_BYTES, run_off_loop
from serve_app.fields.model_fields import Unprocessable
from serve_app.http.bodies.content_type import body_type, shown_type
from serve_app.http.bodies.json_body import CHARSETS, parse_json
from serve_app.http.bodies.raw import read_bytes
from serve_app.http.errors import UnsupportedMedia
from serve_app.http.fish.msgpack_size import count_values

T = TypeVar("T")
Fields = dict[str, Any]

MSGPACK = frozenset({"application/msgpack", "application/x-msgpack", "application/vnd.msgpack"})
MAX_JSON_BYTES = 32 * 1024**2
JSON_TOO_LARGE = (
    f"The request body is larger than the {MAX_JSON_BYTES} bytes of JSON that are taken; "
    "msgpack carries audio in less."
)
MAX_VALUES = 500_000  # of which the smallest take 64 bytes of memory for every byte that is sent


async def read_fields(request: Request, make: Callable[[Fields], T], *, msgpack: bool = True) -> T:
    """What ``make`` makes of the body's object. If the body is large, both are done on a thread.

    Raises UnsupportedMedia for another content type, InvalidRequest for what cannot be read, Unprocessable for
    what is no object, PayloadTooLarge, ClientDisconnect if the client leaves, and whatever ``make`` raises.
    """
    kind = body_type(request, CHARSETS)
    if msgpack and kind in MSGPACK:
        body = await read_bytes(request)
        return await run_off_loop(lambda: make(parse_msgpack(body)), large=len(body) >= LARGE_BYTES)
    if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")):
        body = await read_bytes(request, MAX_JSON_BYTES, JSON_TOO_LARGE)
        return await run_off_loop(lambda: make(_parse_json(body)), large=len(body) >= LARGE_BYTES)
    wanted = "JSON as `application/json`" + (" or msgpack as `application/msgpack`" if msgpack else "")
    raise UnsupportedMedia(f"The request body is {shown_type(kind)}; send {wanted}.")


def parse_msgpack(body: bytes | bytearray) -> Fields:
    """The object in a msgpack message. Raises InvalidRequest, Unprocessable, PayloadTooLarge."""
    if len(body) >= LARGE_BYTES and count_values(body, MAX_VALUES) >= MAX_VALUES:
        raise _too_many()
    try:
        return _object(ormsgpack.unpackb(body))
    except ValueError as error:
        raise InvalidRequest(f"The msgpack in the request body cannot be read: {error}.") from error


def _parse_json(body: bytearray) -> Fields:
    if len(body) >= LARGE_BYTES and sum(map(body.count, (b",", b"[", b"{"))) >= MAX_VALUES:
        raise _too_many()
    try:
        return _object(parse_json(body))
    except InvalidRequest as error:
        if isinstance(error.__cause__, json.JSONDecodeError):
            raise InvalidRequest(str(error.__cause__)) from error  # fish-speech's words
        raise


def _object(value: Any) -> Fields:
    if isinstance(value, dict):
        return value
    problem = {"type": "dict_type", "loc": [], "msg": "Input should be a valid dictionary", "in": "body"}
    raise Unprocessable([problem])


def _too_many() -> PayloadTooLarge:
    return PayloadTooLarge(f"The request body holds more than {MAX_VALUES} values; send several requests.")
