"""Probes: ``/healthz`` (alive), ``/readyz`` (every model is ready), ``/ping`` (RunPod's load balancer)."""

from collections.abc import Mapping
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.model_state import ModelState
from serve_app.config.tasks import TASKS, ModelTask
from serve_app.gateway.gateway import Gateway
from serve_app.http.errors import Json

Readiness = Literal["ready", "starting", "failed"]


def routes(gateway: Gateway) -> list[Route]:
    """The three routes, none of which wants a key."""

    async def healthz(request: Request) -> Response:
        return Json({"status": "ok"})

    async def readyz(request: Request) -> Response:
        states = await gateway.states()
        status = readiness(states)
        models = {e.id: state_object(states[e.id], e.task) for e in gateway.models.entries if e.id in states}
        return Json({"status": status, "models": models}, 200 if status == "ready" else 503)

    async def ping(request: Request) -> Response:
        match readiness(await gateway.states()):
            case "ready":
                return Json({"status": "ready"})
            case "starting":
                return Response(status_code=204)
            case "failed":
                return Json({"status": "failed"}, 503)

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/ping", ping, methods=["GET"]),
    ]


def readiness(states: Mapping[str, ModelState]) -> Readiness:
    """``ready`` if every model is, ``failed`` if one failed, else ``starting``."""
    if any(state.phase == "failed" for state in states.values()):
        return "failed"
    return "ready" if all(state.ready for state in states.values()) else "starting"


def state_object(state: ModelState | None, task: ModelTask) -> dict[str, Any]:
    """A model's state; ``progress`` from 0 to 1, null if unknown; its queue in what the task is measured in.

    One nobody has heard of is starting.
    """
    if state is None:
        return {"phase": "starting", "progress": None}
    return {
        "phase": state.phase,
        "progress": state.progress,
        "detail": state.detail,
        f"queued_{TASKS[task].queue_unit}": state.queued,
        "active_requests": state.active_requests,
    }
