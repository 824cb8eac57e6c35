"""``POST /v1/classify``: scores of texts by label, in the shape of the hate-speech service."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.text_classification.types import TextScores
from serve_app.concurrency import run_off_loop
from serve_app.gateway.gateway import Gateway
from serve_app.http.bodies.json_body import read_json
from serve_app.http.errors import Json
from serve_app.http.request_id import request_id_of
from serve_app.http.responses.disconnect import while_connected
from serve_app.tasks.classification.answers import as_object
from serve_app.tasks.classification.fields import ParsedTexts, parse_classification


def routes(gateway: Gateway) -> list[Route]:
    """The one route."""

    async def classify(request: Request) -> Response:
        read = partial(parse_classification, request_id=request_id_of(request.scope))
        parsed = await read_json(request, read)
        results = await while_connected(request.receive, gateway.classify(parsed.request))
        return await run_off_loop(lambda: _response(parsed, results), large=parsed.large)

    return [Route("/v1/classify", classify, methods=["POST"])]


def _response(parsed: ParsedTexts, results: tuple[TextScores, ...]) -> Response:
    objects = [as_object(text, scores) for text, scores in zip(parsed.request.texts, results, strict=True)]
    return Json(objects[0] if parsed.single else objects, headers=parsed.headers)
