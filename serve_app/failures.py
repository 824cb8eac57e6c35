"""What every entrance tells about a failure, whatever the shape its API gives it."""

import logging
import math
from http import HTTPStatus

from deployments.errors import AntiphonError, InternalError, ModelUnavailable, Overloaded, ServerUnavailable

logger = logging.getLogger("ray.serve")

UNAVAILABLE_RETRY_S = 5.0
UNKNOWN_RETRY_S = 60.0
RENAMED_PHRASES = {
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
}


class StartFailed(Exception):
    """The graph did not become ready; the message is one block for the person who started it."""


def error_for_client(error: BaseException, request_id: str) -> AntiphonError:
    """The error that a client gets for any exception. What is our own fault is logged, with its traceback."""
    if isinstance(error, AntiphonError):
        if error.status >= 500:
            logger.warning("request %s: %s", request_id, error.message, extra={"request_id": request_id})
        return error
    logger.error("request %s failed", request_id, exc_info=error, extra={"request_id": request_id})
    return InternalError(f"The server failed on this request. Its log has the details under {request_id}.")


def retry_after_s(error: AntiphonError) -> int | None:
    """Whole seconds after which the same request may succeed, at least 1; None if trying again is no use."""
    match error:
        case Overloaded():
            wait = error.retry_after_s if math.isfinite(error.retry_after_s) else UNKNOWN_RETRY_S
        case ModelUnavailable() | ServerUnavailable():
            wait = UNAVAILABLE_RETRY_S
        case _:
            return None
    return max(1, math.ceil(wait))


def status_phrase(status: int) -> str:
    """The words of an HTTP status, the same with every version of Python: 3.13 renamed some."""
    return RENAMED_PHRASES.get(status) or HTTPStatus(status).phrase
