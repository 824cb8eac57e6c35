"""The HTTP application as a pure factory: the same under Serve, under plain uvicorn and in tests."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from deployments.errors import AntiphonError
from serve_app.config.app import HttpConfig
from serve_app.config.jobs import JobsConfig
from serve_app.gateway.gateway import Gateway
from serve_app.http import classify, docs, health
from serve_app.http.error_shapes import on_error, on_refusal
from serve_app.http.fish import routes as fish_routes
from serve_app.http.jobs import routes as jobs_routes
from serve_app.http.middleware import BodyLimit, KeyCheck, RequestContext
from serve_app.http.openai import routes as openai_routes
from serve_app.jobs.protocol import Jobs
from serve_app.keys import ApiKeys


def create_app(
    gateway: Gateway,
    config: HttpConfig,
    keys: ApiKeys,
    *,
    echo_request_id: bool = True,
    jobs: Jobs | None = None,
    jobs_config: JobsConfig | None = None,
) -> Starlette:
    """The application around a gateway, and a job service with the limits of its configuration.

    ``echo_request_id`` is off behind a server that adds ``x-request-id`` to responses by itself.
    """
    app = Starlette(
        routes=[
            *openai_routes.routes(gateway),
            *classify.routes(gateway),
            *fish_routes.routes(gateway),
            *jobs_routes.routes(jobs, jobs_config or JobsConfig()),
            *health.routes(gateway),
            *docs.routes(jobs=jobs is not None),
        ],
        middleware=[
            Middleware(RequestContext, echo=echo_request_id),
            Middleware(KeyCheck, keys=keys),
            Middleware(BodyLimit, limit=config.upload_bytes),
        ],
        exception_handlers={AntiphonError: on_error, HTTPException: on_refusal},
    )
    app.router.redirect_slashes = False  # such a redirect would name whatever host the client claims to call
    return app
