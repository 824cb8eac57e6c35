"""All routes of fish-speech's API."""

from starlette.routing import BaseRoute

from serve_app.backend import Backend
from serve_app.http.fish import asr, health, invoke, references, tts, vqgan
from serve_app.http.fish import voices as models
from serve_app.http.fish.live import route as live
from serve_app.http.fish.live.session import LiveLimits


def fish_routes(backend: Backend, live_limits: LiveLimits | None = None) -> list[BaseRoute]:
    """The routes around a gateway."""
    return [
        *tts.routes(backend),
        *live.routes(backend, live_limits or LiveLimits()),
        *vqgan.routes(backend),
        *references.routes(backend),
        *invoke.routes(backend),
        *asr.routes(backend),
        *models.routes(backend),
        *health.routes(),
    ]
