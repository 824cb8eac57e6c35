"""Answers that fish-speech gives in msgpack, unless JSON is asked for."""

import base64
from collections.abc import Mapping
from typing import Any

import ormsgpack
from starlette.requests import Request
from starlette.responses import Response

from serve_app.http.errors import Json

FORMATS = frozenset({"json", "msgpack"})


def reply(
    request: Request, content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """msgpack; JSON if ``?format=json`` or the ``Accept`` header asks for it, with bytes as base64."""
    if wants_json(request):
        return Json(_plain(content), status, headers)
    packed = ormsgpack.packb(dict(content), option=ormsgpack.OPT_SERIALIZE_NUMPY)
    return Response(packed, status, headers, media_type="application/msgpack")


def wants_json(request: Request) -> bool:
    """Whether an answer has to be JSON. The query counts for more than the header."""
    wanted = request.query_params.get("format", "").lower()
    if wanted in FORMATS:
        return wanted == "json"
    accepted = request.headers.get("accept", "").lower()
    return "application/json" in accepted and "msgpack" not in accepted


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case Mapping():
            return {key: _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
    return value.tolist() if hasattr(value, "tolist") else value
