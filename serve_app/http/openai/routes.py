"""All routes of the OpenAI API."""

from starlette.routing import BaseRoute

from serve_app.backend import Backend
from serve_app.http.openai import models, moderations, speech, transcriptions, voices


def routes(backend: Backend) -> list[BaseRoute]:
    """The routes around a gateway."""
    return [
        *transcriptions.routes(backend),
        *speech.routes(backend),
        *voices.routes(backend),
        *moderations.routes(backend),
        *models.routes(backend),
    ]
