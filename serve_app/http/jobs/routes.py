"""The routes of the job API."""

from collections.abc import Awaitable, Callable

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.errors import ClientError
from serve_app.config.jobs import JobsConfig
from serve_app.http.jobs.batches import BatchHandlers
from serve_app.http.jobs.openai import METHODS, OpenAiHandlers
from serve_app.http.jobs.queues import QueueHandlers
from serve_app.http.jobs.rate_limits import RATES, EndpointGuard, RateLimits
from serve_app.http.jobs.runs import RunHandlers
from serve_app.http.jobs.streams import StreamHandlers
from serve_app.http.paths import JOBS
from serve_app.jobs.protocol import Jobs

Handler = Callable[[Request], Awaitable[Response]]
ASK = ("GET", "POST")  # clients use both for what changes nothing


class NoJobService(ClientError):
    """The configuration has no ``jobs:``."""

    status = 404
    code = "not_found"


def routes(jobs: Jobs | None, config: JobsConfig) -> list[Route]:
    """All routes; without a job service the one that says so."""
    if jobs is None:
        return [Route(JOBS + "/{path:path}", _no_service, methods=METHODS)]
    runs, batches, queues = RunHandlers(jobs, config), BatchHandlers(jobs, config), QueueHandlers(jobs)
    limits = RateLimits(RATES if config.rate_limits else {})

    def route(path: str, handler: Handler, methods: tuple[str, ...], operation: str = "") -> Route:
        guard = Middleware(EndpointGuard, endpoints=jobs.endpoints, operation=operation, limits=limits)
        made = Route(JOBS + "/{endpoint}" + path, handler, methods=methods, middleware=[guard])
        made.methods = set(methods)  # without HEAD, which Starlette adds: a stream is drained by asking
        return made

    return [
        route("/run", runs.run, ("POST",), "run"),
        route("/runsync", runs.runsync, ("POST",), "runsync"),
        route("/status/{id}", runs.status, ASK, "status"),
        route("/status-sync/{id}", runs.status_sync, ASK, "status"),
        route("/stream/{id}", StreamHandlers(jobs).stream, ASK, "stream"),
        route("/cancel/{id}", runs.cancel, ("POST",), "cancel"),
        route("/retry/{id}", runs.retry, ("POST",)),
        route("/purge-queue", queues.purge, ("POST",), "purge-queue"),
        route("/health", queues.health, ASK),
        route("/requests", queues.requests, ("GET",), "requests"),
        route("/batch", batches.create, ("POST",)),
        route("/batch", batches.every, ("GET",)),
        route("/batch/{id}", batches.one, ("GET",)),
        route("/batch/{id}/requests", batches.add, ("POST",)),
        route("/batch/{id}/requests", batches.requests, ("GET",)),
        route("/batch/{id}/requests/{request}", batches.replace, ("PUT",)),
        route("/batch/{id}/requests/{request}", batches.remove, ("DELETE",)),
        route("/batch/{id}/finalize", batches.finalize, ("POST",)),
        route("/batch/{id}/cancel", batches.cancel, ("POST",)),
        route("/openai/{path:path}", OpenAiHandlers(jobs, config).call, METHODS, "openai"),
    ]


async def _no_service(request: Request) -> Response:
    raise NoJobService("This server has no job service: its configuration has no `jobs:`.")
