"""``POST /v1/tts``: text into speech."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from serve_app.gateway.gateway import Gateway
from serve_app.http.fish.bodies import read_fields
from serve_app.http.fish.errors import names_cloud_model
from serve_app.http.request_id import request_id_of
from serve_app.http.responses.speech import speech_response
from serve_app.tasks.speech.fish_parse import parse_tts


def routes(gateway: Gateway) -> list[BaseRoute]:
    """The one route."""

    async def tts(request: Request) -> Response:
        read = partial(
            parse_tts,
            request_id=request_id_of(request.scope),
            model=request.headers.get("model"),
            cloud=names_cloud_model(request.scope),
        )
        parsed = await read_fields(request, read)
        return await speech_response(request, gateway.speak(parsed.request, parsed.references), parsed)

    return [Route("/v1/tts", tts, methods=["POST"])]
