"""``/v1/health``: whether the server answers, by GET or POST, whatever its load."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from serve_app.http.errors import Json


def routes() -> list[BaseRoute]:
    """The one route. It wants a key if there are any, as fish-speech's does; ``/healthz`` wants none."""

    async def health(request: Request) -> Response:
        return Json({"status": "ok"})

    return [Route("/v1/health", health, methods=["GET", "POST"])]
