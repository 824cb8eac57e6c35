"""Errors in fish-speech's shapes.

Its own server answers ``{statusCode, message, error}``, and wrong fields with 422 and a bare list of what pydantic
found. The hosted service answers ``{status, message}``. Its clients cannot read lists, so whoever sends the header
``model``, which only they do, gets wrong fields in an object, too.
"""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from deployments.errors import AntiphonError
from serve_app.failures import status_phrase
from serve_app.fields.model_fields import Unprocessable
from serve_app.http.errors import Json, UnsupportedMedia, describe_http_exception, error_headers
from serve_app.http.paths import is_fish_cloud_path

ACCEPTED = "application/json, application/msgpack"


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
    return {"statusCode": status, "message": message, "error": status_phrase(status)}
