"""All routes of the OpenAI API."""

from starlette.routing import BaseRoute

from serve_app.gateway.gateway import Gateway
from serve_app.http.openai import models, moderations, speech, transcriptions, voices


def routes(gateway: Gateway) -> list[BaseRoute]:
    """The routes around a gateway."""
    return [
        *transcriptions.routes(gateway),
        *speech.routes(gateway),
        *voices.routes(gateway),
        *moderations.routes(gateway),
        *models.routes(gateway),
    ]
