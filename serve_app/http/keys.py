"""API keys: who may use the server. Secrets come from the environment only."""

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.errors import AuthenticationFailed
from serve_app.http.errors import error_response

VARIABLE = "ANTIPHON_API_KEYS"
# Probes carry no keys, and the pages about the API are the same on every server.
OPEN_PATHS = frozenset({"/", "/docs", "/healthz", "/openapi.json", "/ping", "/readyz"})


class ApiKeys:
    """The set of keys that are let in; an empty set lets everybody in. Only digests are kept."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests = tuple(_digest(key.encode()) for key in keys)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "ApiKeys":
        """The comma-separated keys of ``ANTIPHON_API_KEYS``.

        Raises ValueError if the variable is set but holds no key: that is a mistake, not an open door.
        """
        keys = [key.strip() for key in environment.get(VARIABLE, "").split(",") if key.strip()]
        if VARIABLE in environment and not keys:
            raise ValueError(f"{VARIABLE} is set but holds no key; unset it to let everybody in")
        return cls(keys)

    def check(self, authorization: bytes | None) -> None:
        """Let the value of an ``Authorization`` header in, or raise AuthenticationFailed.

        Takes the same time for every wrong key.
        """
        if not self._digests:
            return
        scheme, _, key = (authorization or b"").strip().partition(b" ")
        if scheme.lower() != b"bearer" or not key.strip():
            raise AuthenticationFailed("This server wants an API key: send `Authorization: Bearer KEY`.")
        sent = _digest(key.strip())
        if sum(hmac.compare_digest(sent, known) for known in self._digests) == 0:
            raise AuthenticationFailed("The API key is not one that this server knows.")


class KeyCheck:
    """Middleware that turns requests without a valid key away before their bodies are read."""

    def __init__(self, app: ASGIApp, keys: ApiKeys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] in ("http", "websocket") and _path(scope) not in OPEN_PATHS:
            try:
                self._keys.check(next((v for k, v in scope["headers"] if k == b"authorization"), None))
            except AuthenticationFailed as error:
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close", "code": 1008, "reason": error.message})
                else:
                    await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
