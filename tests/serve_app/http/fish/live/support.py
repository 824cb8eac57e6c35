"""A client of ``/v1/tts/live`` without a server."""

from typing import Any

import ormsgpack
from starlette.applications import Starlette
from starlette.types import ASGIApp

from serve_app.http.fish.live import session as live
from serve_app.http.fish.live.session import LiveLimits
from serve_app.http.middleware.request_context import RequestContext
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.speech_stub import SAMPLES_PER_CHAR
from tests.serve_app.http.stub import app_of

PATH = "/v1/tts/live"
SPOKEN = "This sentence is long enough to be spoken at once, I should think."


class Live:
    """A client's side of one session."""

    def __init__(self, gateway: SpeakingGateway, app: ASGIApp | None = None, **headers: str) -> None:
        self.gateway = gateway
        self.call = AsgiCall(app or app_of(gateway), PATH, type="websocket", headers=headers).start()
        self.call.deliver({"type": "websocket.connect"})

    def send(self, event: Any) -> None:
        packed = event if isinstance(event, bytes) else ormsgpack.packb(event)
        self.call.deliver({"type": "websocket.receive", "bytes": packed})

    def start(self, **request: Any) -> "Live":
        self.send({"event": "start", "request": {"text": "", "format": "pcm", **request}})
        return self

    def text(self, *texts: str) -> "Live":
        for text in texts:
            self.send({"event": "text", "text": text})
        return self

    def stop(self) -> "Live":
        self.send({"event": "stop"})
        return self

    async def received(self) -> Any:
        """The next event."""
        message = await self.call.sent()
        while message["type"] == "websocket.accept":
            message = await self.call.sent()
        assert message["type"] == "websocket.send", message
        return ormsgpack.unpackb(message["bytes"])

    async def audio(self, size: int) -> bytes:
        """The next so many bytes of audio."""
        found = b""
        while len(found) < size:
            event = await self.received()
            assert event["event"] == "audio", event
            found += event["audio"]
        assert len(found) == size
        return found

    async def finished(self) -> tuple[bytes, dict[str, Any], dict[str, Any]]:
        """All audio until the end, the last event, and how the session was closed."""
        found = b""
        while (event := await self.received())["event"] == "audio":
            found += event["audio"]
        (closed,) = await self.call.finished()
        assert closed["type"] == "websocket.close"
        return found, event, closed


def limited(gateway: SpeakingGateway, **limits: Any) -> ASGIApp:
    """An application of the one route, with other limits."""
    return RequestContext(Starlette(routes=live.routes(gateway, LiveLimits(**limits))))


def size_of(text: str) -> int:
    """Bytes of the stub's PCM."""
    return len(text) * SAMPLES_PER_CHAR * 2
