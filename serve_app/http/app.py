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
from serve_app.http.middleware.body_limit import BodyLimit
from serve_app.http.middleware.cors import cors
from serve_app.http.middleware.ignored_query import IgnoredQuery
from serve_app.http.middleware.key_check import KeyCheck
from serve_app.http.middleware.plain_path import PlainPath
from serve_app.http.middleware.read_on import ReadOn
from serve_app.http.middleware.request_context import RequestContext
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
    """The application around a gateway, and a job service with its configuration, which must not be forgotten.

    ``echo_request_id`` is off behind a server that adds ``x-request-id`` to responses by itself.
    """
    assert (jobs is None) == (jobs_config is None)
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
            Middleware(ReadOn, most_bytes=2 * config.upload_bytes),
            Middleware(PlainPath),
            *cors(config.cors_origins),
            Middleware(RequestContext, echo=echo_request_id),
            Middleware(KeyCheck, keys=keys),
            Middleware(BodyLimit, limit=config.upload_bytes),
            Middleware(IgnoredQuery),
        ],
        exception_handlers={AntiphonError: on_error, HTTPException: on_refusal},
    )
    app.router.redirect_slashes = False  # PlainPath does it without
    return app
