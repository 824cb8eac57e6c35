"""The request id of HTTP: taken from a header, kept in the scope."""

from starlette.types import Scope

from serve_app.request_id import request_id

HEADER = b"x-request-id"
_KEY = "antiphon.request_id"


def assign_request_id(scope: Scope) -> str:
    """The client's id or a new one; the scope keeps it."""
    sent = next((value for name, value in scope["headers"] if name == HEADER), b"")
    scope[_KEY] = assigned = request_id(sent.decode("latin-1"))
    return assigned


def request_id_of(scope: Scope) -> str:
    """The id assigned to the request of this scope, empty if none was."""
    assigned: str = scope.get(_KEY, "")
    return assigned
