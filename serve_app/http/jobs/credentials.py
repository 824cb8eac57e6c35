"""Where clients of the job API put their key: a header, with or without ``Bearer``, the query, the body.

A SingularityNET daemon is configured to do any of these.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from urllib.parse import parse_qsl

from starlette.types import Message, Receive, Scope

from deployments.errors import AuthenticationFailed, InvalidRequest
from serve_app.concurrency import LARGE_BYTES, run_off_loop
from serve_app.http.bodies.json_body import parse_json
from serve_app.keys import ApiKeys

NAMES = ("api_key", "Authorization")  # in a query, and at the top level of a body
HEADERS = frozenset({b"authorization", b"x-api-key"})
BODY_BYTES = 1024**2
BODY_S = 30.0
MAX_PARAMETERS = 100


async def check_job_key(scope: Scope, receive: Receive, keys: ApiKeys) -> Receive:
    """Let a request in, or raise AuthenticationFailed. What to receive the body from, which may have been read.

    The body is read only where no other place holds a credential, and up to 1 MB of it.
    """
    if _known(keys, None):  # a server without keys
        return receive
    sent = [*_in_headers(scope), *_in_query(scope)]
    if any(_known(keys, credential) for credential in sent):
        return receive
    if not sent and scope["type"] == "http" and scope["method"] in ("POST", "PUT", "PATCH"):
        credential, receive = await _in_body(receive)
        sent = [credential] if credential else []
        if credential and _known(keys, credential):
            return receive
    keys.check(_bearer(sent[0] if sent else b""))
    raise AuthenticationFailed("The API key is not one that this server knows.")


def _known(keys: ApiKeys, credential: bytes | None) -> bool:
    try:
        keys.check(None if credential is None else _bearer(credential))
    except AuthenticationFailed:
        return False
    return True


def _bearer(credential: bytes) -> bytes:
    """The header that other routes want; a bare key gets its scheme."""
    scheme, _, rest = credential.strip().partition(b" ")
    return credential if scheme.lower() == b"bearer" and rest else b"Bearer " + credential


def _in_headers(scope: Scope) -> Iterator[bytes]:
    return (value for name, value in scope["headers"] if name in HEADERS and value.strip())


def _in_query(scope: Scope) -> Iterator[bytes]:
    with contextlib.suppress(ValueError):
        text = scope.get("query_string", b"").decode("latin-1")
        for name, value in parse_qsl(text, max_num_fields=MAX_PARAMETERS):
            if name in NAMES:
                yield value.encode()


async def _in_body(receive: Receive) -> tuple[bytes | None, Receive]:
    read: list[Message] = []
    body = bytearray()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BODY_S):
            while len(body) <= BODY_BYTES:
                message = await receive()
                read.append(message)
                body += message.get("body", b"")
                if message["type"] != "http.request" or not message.get("more_body"):
                    break
    if len(body) > BODY_BYTES:
        raise AuthenticationFailed(
            f"This server wants an API key, and looks for it only in bodies of up to {BODY_BYTES} bytes: "
            "send `Authorization: Bearer KEY`."
        )
    credential = await run_off_loop(lambda: _credential(body), large=len(body) >= LARGE_BYTES)
    pending = iter(read)

    async def replay() -> Message:
        message = next(pending, None)
        return await receive() if message is None else message

    return credential, replay


def _credential(body: bytearray) -> bytes | None:
    try:
        content = parse_json(body)
    except InvalidRequest:
        return None
    values = (content.get(name) for name in NAMES) if isinstance(content, dict) else ()
    return next((value.encode("utf-8", "replace") for value in values if isinstance(value, str) and value), None)
