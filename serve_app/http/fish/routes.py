"""All routes of fish-speech's API."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from serve_app.gateway.gateway import Gateway
from serve_app.http.errors import Json
from serve_app.http.fish import invoke, references, tts, vqgan
from serve_app.http.fish.hosted import asr, timestamps, voices, wallet
from serve_app.http.fish.live import session as live
from serve_app.http.fish.live.session import LiveLimits


def routes(gateway: Gateway, live_limits: LiveLimits | None = None) -> list[BaseRoute]:
    """The routes around a gateway."""
    return [
        *tts.routes(gateway),
        *live.routes(gateway, live_limits or LiveLimits()),
        *vqgan.routes(gateway),
        *references.routes(gateway),
        *invoke.routes(gateway),
        *asr.routes(gateway),
        *voices.routes(gateway),
        *timestamps.routes(gateway),
        *wallet.routes(),
        # This one wants a key if there are any, as fish-speech's does; ``/healthz`` wants none.
        Route("/v1/health", _health, methods=["GET", "POST"]),
    ]


async def _health(request: Request) -> Response:
    return Json({"status": "ok"})
