"""The id under which a request appears in logs, in replicas and in its own response."""

import re
import uuid

LONGEST = 128
_STRANGE = re.compile(r"[^A-Za-z0-9._:/+=@-]")


def request_id(sent: str) -> str:
    """The client's id, without characters that logs or headers mind, or a new one if nothing is left."""
    return _STRANGE.sub("", sent)[:LONGEST] or uuid.uuid4().hex
