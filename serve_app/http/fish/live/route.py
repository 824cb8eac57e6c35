"""``WS /v1/tts/live``: text comes in, speech goes out while more text comes."""

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from serve_app.backend import Backend
from serve_app.http.fish.live.session import LiveLimits, LiveSession


def routes(backend: Backend, limits: LiveLimits) -> list[BaseRoute]:
    """The one route."""

    async def live(websocket: WebSocket) -> None:
        await LiveSession(websocket, backend, limits).run()

    return [WebSocketRoute("/v1/tts/live", live)]
