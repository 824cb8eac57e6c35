"""``GET /v1/models`` and ``/v1/models/{id}`` of the OpenAI API, with each model's task and state.

``/v1/audio/models`` is not OpenAI's: user interfaces ask there for what can speak, beside ``/v1/audio/voices``.
"""

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.errors import ModelNotFound
from deployments.model_state import ModelState
from deployments.model_store.source import HubSource, LocalSource, parse_source
from serve_app.config.models import ModelEntry
from serve_app.config.tasks import TASKS
from serve_app.gateway.gateway import Gateway
from serve_app.http.errors import Json
from serve_app.http.health import state_object

STARTED = int(time.time())  # a model is as old as this process, in whichever application of it


def routes(gateway: Gateway) -> list[Route]:
    """The three routes."""

    async def list_models(request: Request) -> Response:
        states = await gateway.states()
        data = [_model(gateway, entry, entry.id, states) for entry in gateway.models.entries]
        return Json({"object": "list", "data": data})

    async def list_speakers(request: Request) -> Response:
        states = await gateway.states()
        entries = [entry for entry in gateway.models.entries if entry.task == "speech"]
        data = [_model(gateway, entry, entry.id, states) for entry in entries]
        # the second list is the shape in which other servers answer, and user interfaces read it
        names = [{"id": entry.id, "name": entry.id} for entry in entries]
        return Json({"object": "list", "data": data, "models": names})

    async def retrieve_model(request: Request) -> Response:
        name: str = request.path_params["name"]
        entry = _find(gateway, name)
        return Json(_model(gateway, entry, name, await gateway.states()))

    return [
        Route("/v1/models", list_models, methods=["GET"]),
        Route("/v1/audio/models", list_speakers, methods=["GET"]),
        Route("/v1/models/{name:path}", retrieve_model, methods=["GET"]),
    ]


def _find(gateway: Gateway, name: str) -> ModelEntry:
    index = gateway.models
    for entry in index.entries:
        if name == entry.id or name in index.aliases(entry):
            return entry
    for task in TASKS:
        with contextlib.suppress(ModelNotFound):
            return index.resolve(task, name).entry
    known = ", ".join(sorted(entry.id for entry in index.entries))
    raise ModelNotFound(f"The model {name[:100]!r} is not served here. Models: {known}.", param="model")


def _model(gateway: Gateway, entry: ModelEntry, name: str, states: Mapping[str, ModelState]) -> dict[str, Any]:
    source = entry.config.source and parse_source(entry.config.source)
    state = states.get(entry.id)
    return {
        "id": name,
        "object": "model",
        "created": STARTED,
        "owned_by": source.repo.partition("/")[0] if isinstance(source, HubSource) else "antiphon",
        "root": entry.id,
        "task": entry.task,
        "languages": list(state.languages) if state else [],
        "labels": list(state.labels) if state else [],
        "aliases": list(gateway.models.aliases(entry)),
        "default": entry is gateway.models.default(entry.task),
        "description": entry.description,
        "license": entry.license,
        # A folder's name is this machine's own business.
        "source": None if source is None else "local" if isinstance(source, LocalSource) else entry.config.source,
        "on_demand": list(entry.config.allow),
        "state": state_object(state, entry.task),
    }
