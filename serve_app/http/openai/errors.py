"""The exception tree in the error shape of the OpenAI API: ``{"error": {message, type, param, code}}``."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from deployments.errors import AntiphonError
from serve_app.http.errors import Json, describe_http_exception, error_headers


def error_object(error: AntiphonError) -> dict[str, Any]:
    """The body of an error, as a response and as the last event of a stream."""
    return _object(error.message, error.status, error.code, error.param)


def error_response(error: AntiphonError) -> Response:
    """The whole response to a request that failed."""
    return Json(error_object(error), error.status, error_headers(error))


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's handler for what its router refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    message, code = describe_http_exception(request, error)
    return Json(_object(message, error.status_code, code, None), error.status_code, error.headers)


def _object(message: str, status: int, code: str | None, param: str | None) -> dict[str, Any]:
    match status:
        case 429:
            kind = "rate_limit_error"
        case 503:
            kind = "service_unavailable_error"
        case 504:
            kind = "timeout_error"
        case _ if status >= 500:
            kind = "server_error"
        case _:
            kind = "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
