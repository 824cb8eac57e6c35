"""API keys of requests."""

from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.errors import AuthenticationFailed
from serve_app.http.error_shapes import response_at
from serve_app.http.jobs.credentials import check_job_key
from serve_app.http.paths import is_job_path, path_of
from serve_app.keys import ApiKeys

DENIAL = "websocket.http.response"  # the server can answer a WebSocket's handshake with a response
# Probes carry no keys, and the pages about the API are the same on every server.
OPEN_PATHS = frozenset({"/", "/docs", "/healthz", "/openapi.json", "/ping", "/readyz"})


class KeyCheck:
    """Middleware that turns requests without a valid key away before their bodies are read.

    In the job API the key may be in other places, too, and last of all in the body.
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] in ("http", "websocket") and path_of(scope) not in OPEN_PATHS:
            try:
                receive = await self._check(scope, receive)
            except AuthenticationFailed as error:
                if scope["type"] == "websocket" and DENIAL not in scope.get("extensions", {}):
                    await send({"type": "websocket.close", "code": 1008, "reason": error.message})
                else:
                    await response_at(scope, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _check(self, scope: Scope, receive: Receive) -> Receive:
        if is_job_path(scope):
            return await check_job_key(scope, receive, self._keys)
        self._keys.check(next((v for k, v in scope["headers"] if k == b"authorization"), None))
        return receive
