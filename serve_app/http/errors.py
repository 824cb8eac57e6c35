"""What errors of every API have in common: headers such as Retry-After, what the router refuses, JSON bodies."""

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from deployments.errors import AntiphonError, AuthenticationFailed, ClientError
from serve_app.failures import retry_after_s, status_phrase

# Statuses that clients try again by themselves, although the answer would be the same.
NOT_RETRIED = frozenset({408, 409, 504})


class UnsupportedMedia(ClientError):
    """A request body of a content type that the route does not read."""

    status = 415
    code = "unsupported_media_type"


class Json(JSONResponse):
    """JSON that can be written whatever text clients made us repeat: lone surrogates become ``?``."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )


def error_headers(error: AntiphonError) -> dict[str, str]:
    """Headers that tell a client whether and when to try again."""
    headers = {}
    if (wait := retry_after_s(error)) is not None:
        headers["Retry-After"] = str(wait)
        headers["x-should-retry"] = "true"
    elif error.status < 500 or error.status in NOT_RETRIED:
        headers["x-should-retry"] = "false"
    if isinstance(error, AuthenticationFailed):
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def describe_http_exception(request: Request, error: HTTPException) -> tuple[str, str | None]:
    """The sentence and the code for what Starlette's router refuses."""
    path = request.url.path[:200]
    match error.status_code:
        case 404:
            return f"There is nothing at {request.method} {path}. See /docs.", "not_found"
        case 405:
            allowed = (error.headers or {}).get("Allow", "other methods")
            return f"{path} does not take {request.method}; it takes {allowed}.", "method_not_allowed"
        case status:
            return error.detail or status_phrase(status), None
