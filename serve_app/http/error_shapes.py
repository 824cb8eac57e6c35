"""Exceptions as responses, in the shape of the API that was called: RunPod's, fish-speech's, else OpenAI's."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from deployments.errors import AntiphonError
from serve_app.failures import error_for_client
from serve_app.http.errors import Json, describe_http_exception, error_headers
from serve_app.http.fish import errors as fish_errors
from serve_app.http.openai.errors import error_response, on_http_exception
from serve_app.http.paths import has_plain_errors, is_fish_path
from serve_app.http.request_id import request_id_of


def response_at(scope: Scope, error: AntiphonError) -> Response:
    """The whole response to a request that failed. In the job API an error is ``{"error": "sentence"}``."""
    if has_plain_errors(scope):
        return Json({"error": error.message}, error.status, error_headers(error))
    if is_fish_path(scope):
        return fish_errors.response_at(scope, error)
    return error_response(error)


async def on_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for the exception tree."""
    return response_at(request.scope, error_for_client(error, request_id_of(request.scope)))


async def on_refusal(request: Request, error: Exception) -> Response:
    """Starlette's handler for what its router refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    if is_fish_path(request.scope):
        return fish_errors.refusal(request, error)
    if not has_plain_errors(request.scope):
        return await on_http_exception(request, error)
    message, _ = describe_http_exception(request, error)
    return Json({"error": message}, error.status_code, error.headers)
