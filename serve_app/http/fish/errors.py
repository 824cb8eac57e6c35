"""Errors in fish-speech's shapes.

Its own server answers ``{statusCode, message, error}``, and wrong fields with 422 and a bare list of what pydantic
found. The hosted service answers ``{status, message}``. Its clients cannot read lists, so whoever sends the header
``model``, which only they do, gets wrong fields in an object, too.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from deployments.errors import AntiphonError, InvalidRequest
from serve_app.http.errors import Json, UnsupportedMedia, describe_http_exception, error_headers
from serve_app.http.paths import is_fish_cloud_path

ACCEPTED = "application/json, application/msgpack"
MAX_ERRORS = 20
MAX_ENTRIES = 20
MAX_DEPTH = 4
LONGEST_TEXT = 200

Details = Mapping[str, Any]


class Unprocessable(InvalidRequest):
    """A body that can be read, but whose fields are wrong. ``details`` are pydantic's, fit for JSON."""

    status = 422

    def __init__(self, details: Iterable[Details]) -> None:
        self.details = tuple(details)
        first = self.details[0]
        where = ".".join(map(str, first["loc"]))
        super().__init__(f"{where}: {first['msg']}" if where else str(first["msg"]), param=where or None)

    @classmethod
    def of(cls, error: ValidationError) -> "Unprocessable":
        """What a model did not take. Values are cut to what a client needs to recognize them."""
        found = error.errors(include_url=False)[:MAX_ERRORS]
        return cls({**{key: _told(value) for key, value in one.items()}, "in": "body"} for one in found)


def response_at(scope: Scope, error: AntiphonError) -> Response:
    """The whole response to a request that failed."""
    headers = error_headers(error)
    if isinstance(error, UnsupportedMedia):
        headers["Accept"] = ACCEPTED
    return Json(_body(scope, error), error.status, headers)


def refusal(request: Request, error: HTTPException) -> Response:
    """The response to what Starlette's router refuses: unknown paths and methods."""
    if error.status_code == 405:
        return Response(status_code=405, headers=error.headers)
    message, _ = describe_http_exception(request, error)
    return Json(_object(request.scope, error.status_code, message), error.status_code, error.headers)


def names_cloud_model(scope: Scope) -> bool:
    """Whether the request has the header of the hosted service's clients."""
    return any(name == b"model" for name, _ in scope["headers"])


def _body(scope: Scope, error: AntiphonError) -> Any:
    cloud = is_fish_cloud_path(scope) or names_cloud_model(scope)
    if isinstance(error, Unprocessable) and not cloud:
        return error.details
    return _object(scope, error.status, error.message)


def _object(scope: Scope, status: int, message: str) -> dict[str, Any]:
    if is_fish_cloud_path(scope):
        return {"status": status, "message": message}
    return {"statusCode": status, "message": message, "error": HTTPStatus(status).phrase}


def _told(value: Any, depth: int = 0) -> Any:
    """A client's value as JSON of a readable size: bytes and what lies deep are named by their types."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if value - value == 0 else str(value)
        case str():
            return value if len(value) <= LONGEST_TEXT else value[:LONGEST_TEXT] + "…"
        case Mapping() if depth < MAX_DEPTH:
            return {
                str(key)[:LONGEST_TEXT]: _told(one, depth + 1) for key, one in list(value.items())[:MAX_ENTRIES]
            }
        case list() | tuple() if depth < MAX_DEPTH:
            return [_told(one, depth + 1) for one in value[:MAX_ENTRIES]]
        case Exception():
            return str(value)
    return type(value).__name__
