"""The size of request bodies."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.errors import PayloadTooLarge
from serve_app.http.error_shapes import response_at


class BodyLimit:
    """Refuses a request body larger than ``limit`` bytes: by its declared length, else while it comes in."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if declared.isdigit() and int(declared[:20]) > self._limit:
            await response_at(scope, self._refusal(scope))(scope, receive, send)
            return
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise self._refusal(scope)
            return message

        await self._app(scope, receive_limited, send)

    def _refusal(self, scope: Scope) -> PayloadTooLarge:
        message = f"The request body is larger than the {self._limit} bytes that this server takes."
        kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        if not kind.lower().startswith(b"multipart/"):
            return PayloadTooLarge(message)
        return PayloadTooLarge(f"{message} Send compressed audio, or a `url` to fetch it from.", param="file")
