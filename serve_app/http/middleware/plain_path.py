"""Paths with slashes too many."""

from starlette.types import ASGIApp, Receive, Scope, Send

from serve_app.slashes import without_surplus


class PlainPath:
    """Takes surplus slashes out of the path below the prefix of the application.

    All that comes after it, the check of keys first of all, knows one spelling of every path. There is no
    redirect, because that would name whatever host the client claims to call.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] in ("http", "websocket"):
            root: str = scope.get("root_path", "")
            if (path := scope["path"]).startswith(root):
                scope = {**scope, "path": root + without_surplus(path[len(root) :])}
        await self._app(scope, receive, send)
