"""A response whose status is known only when its first bytes are there."""

from collections.abc import Mapping

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Send

UNBUFFERED = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class LateResponse(Response):
    """Begins with the first bytes that are written; no proxy is to hold them back. Subclasses send."""

    def __init__(self, headers: Mapping[str, str], media_type: str | None = None) -> None:
        super().__init__(None, headers={**UNBUFFERED, **headers}, media_type=media_type)
        del self.headers["content-length"]
        self._begun = False

    async def _write(self, send: Send, data: bytes, *, more: bool = True) -> None:
        """Send bytes, and the status before the first ones. Raises ClientDisconnect."""
        try:
            if not self._begun:
                self._begun = True
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": data, "more_body": more})
        except OSError as error:
            raise ClientDisconnect from error
