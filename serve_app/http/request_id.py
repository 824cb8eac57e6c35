"""The id under which a request appears in logs, in replicas and in its own response."""

import re
import uuid

from starlette.types import Scope

HEADER = b"x-request-id"
LONGEST = 128
_KEY = "antiphon.request_id"
_STRANGE = re.compile(r"[^A-Za-z0-9._:/+=@-]")


def assign_request_id(scope: Scope) -> str:
    """The client's id, without characters that logs or headers mind, or a new one; the scope keeps it."""
    sent = next((value for name, value in scope["headers"] if name == HEADER), b"")
    request_id = _STRANGE.sub("", sent.decode("latin-1"))[:LONGEST] or uuid.uuid4().hex
    scope[_KEY] = request_id
    return request_id


def request_id_of(scope: Scope) -> str:
    """The id assigned to the request of this scope, empty if none was."""
    found: str = scope.get(_KEY, "")
    return found
