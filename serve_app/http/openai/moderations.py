"""``POST /v1/moderations`` of the OpenAI API."""

import uuid
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.text_classification.types import TextScores
from serve_app.concurrency import run_off_loop
from serve_app.config.models import TextClassificationEntry
from serve_app.gateway.gateway import Gateway
from serve_app.gateway.model_index import Resolved
from serve_app.http.bodies.json_body import read_json
from serve_app.http.errors import Json
from serve_app.http.request_id import request_id_of
from serve_app.http.responses.disconnect import while_connected
from serve_app.tasks.classification.answers import Moderator
from serve_app.tasks.classification.fields import ParsedTexts, parse_moderation


def routes(gateway: Gateway) -> list[Route]:
    """The one route."""

    async def moderate(request: Request) -> Response:
        read = partial(parse_moderation, request_id=request_id_of(request.scope))
        parsed = await read_json(request, read)
        resolved = gateway.models.resolve("classification", parsed.request.model)
        results = await while_connected(request.receive, gateway.classify(parsed.request))
        return await run_off_loop(lambda: _response(resolved, parsed, results), large=parsed.large)

    return [Route("/v1/moderations", moderate, methods=["POST"])]


def _response(resolved: Resolved, parsed: ParsedTexts, results: tuple[TextScores, ...]) -> Response:
    assert isinstance(resolved.entry, TextClassificationEntry)
    moderator = Moderator(resolved.entry.moderation, results[0].scores)
    body = {
        "id": f"modr-{uuid.uuid4().hex}",
        "model": resolved.on_demand or resolved.entry.id,
        "results": [_result(moderator, scores) for scores in results],
    }
    return Json(body, headers=parsed.headers)


def _result(moderator: Moderator, scores: TextScores) -> dict[str, Any]:
    verdict = moderator.verdict(scores.scores)
    return {
        "flagged": bool(verdict.flagged),
        "categories": {name: name in verdict.flagged for name in verdict.scores},
        "category_scores": dict(verdict.scores),
        "category_applied_input_types": {
            name: ["text"] if name in moderator.judged else [] for name in verdict.scores
        },
        "labels": {label: float(score) for label, score in scores.scores.items()},
        "truncated": scores.truncated,
        "pieces": scores.pieces,
    }
