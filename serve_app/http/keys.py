"""The check of API keys, for HTTP."""

from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.errors import AuthenticationFailed
from serve_app.http.errors import error_response
from serve_app.keys import ApiKeys

# Probes carry no keys, and the pages about the API are the same on every server.
OPEN_PATHS = frozenset({"/", "/docs", "/healthz", "/openapi.json", "/ping", "/readyz"})


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
