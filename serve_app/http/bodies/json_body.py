"""A JSON object as the body of a request, read within limits."""

import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from starlette.requests import Request

from deployments.errors import InvalidRequest, PayloadTooLarge
from serve_app.concurrency import LARGE_BYTES, run_off_loop
from serve_app.fields.form_values import quoted
from serve_app.http.bodies.content_type import body_type, shown_type
from serve_app.http.bodies.raw import read_bytes
from serve_app.http.errors import UnsupportedMedia

T = TypeVar("T")

MAX_BYTES = 8 * 1024**2
MAX_VALUES = 500_000  # in a body beyond MAX_BYTES, which is to be long for its texts
MAX_DEPTH = 500  # lists and objects in each other; how many Python's decoder stands depends on its version
TOO_DEEP = "The JSON in the request body is nested too deeply."
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
CHARSETS = frozenset({"ascii", "utf-8"})


async def read_json(request: Request, make: Callable[[dict[str, Any]], T], max_bytes: int = MAX_BYTES) -> T:
    """What ``make`` makes of the body's object. If the body is large, both are done on a thread.

    Raises UnsupportedMedia for another content type, PayloadTooLarge, InvalidRequest for a body that is no JSON
    object, ClientDisconnect if the client leaves.
    """
    kind = body_type(request, CHARSETS)
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMedia(
            f"The request body is {shown_type(kind)}; send a JSON object with `Content-Type: application/json`."
        )
    too_large = (
        f"The request body is larger than the {max_bytes} bytes of JSON that are taken; send several requests."
    )
    body = await read_bytes(request, max_bytes, too_large)
    if len(body) > MAX_BYTES and sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise PayloadTooLarge(f"The request body has more than {MAX_VALUES} values; send several requests.")
    return await run_off_loop(lambda: make(parse_object(body)), large=len(body) >= LARGE_BYTES)


def parse_object(body: bytes | bytearray) -> dict[str, Any]:
    """The JSON object in UTF-8 bytes. Raises InvalidRequest that says where it cannot be read, and why."""
    value = parse_json(body)
    if not isinstance(value, dict):
        raise InvalidRequest("The JSON in the request body has to be an object.")
    return value


def parse_json(body: bytes | bytearray) -> Any:
    """The JSON in UTF-8 bytes. Raises InvalidRequest that says where it cannot be read, and why."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The request body is not UTF-8: byte {error.start + 1} cannot be read.") from error
    if not text.strip():
        raise InvalidRequest("The request body is empty; send a JSON object.")
    if text.startswith("\ufeff"):
        raise InvalidRequest("The request body begins with a byte order mark; send the JSON without it.")
    if _nests_deeper(body, MAX_DEPTH):
        raise InvalidRequest(TOO_DEEP)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"The request body is not valid JSON at line {error.lineno}, column {error.colno}: {_reason(error)}."
        ) from error
    except RecursionError as error:  # whoever calls has used up most of Python's own limit
        raise InvalidRequest(TOO_DEEP) from error
    except ValueError as error:  # the only other one is Python's own limit
        raise InvalidRequest("The JSON in the request body holds a number with too many digits.") from error


def _nests_deeper(body: bytes | bytearray, depth: int) -> bool:
    """Whether more lists and objects than ``depth`` lie in each other."""
    if body.count(b"[") + body.count(b"{") <= depth:
        return False
    for bracket in _STRING.sub(b"", body).translate(None, _NO_BRACKETS):
        depth += -1 if bracket in b"[{" else 1
        if depth < 0:
            return True
    return False


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise InvalidRequest(f"The JSON in the request body has the key {quoted(key)} twice; send it once.")
        members[key] = value
    return members


def _refuse(constant: str) -> None:
    raise InvalidRequest(f"The JSON in the request body holds {constant}, which is no JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidRequest(f"The JSON in the request body holds {quoted(text)}, which is too large a number.")
    return number


def _reason(error: json.JSONDecodeError) -> str:
    reason = error.msg.rstrip(": ").removesuffix(" at").removesuffix(" starting")
    return reason[:1].lower() + reason[1:]


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
