"""What stands before every operation of an endpoint: that it exists, and its rate."""

from starlette.types import ASGIApp, Receive, Scope, Send

from serve_app.http.jobs.rate_limits import RateLimits
from serve_app.jobs.endpoints import Endpoints


class Guard:
    """Middleware of a route with ``{endpoint}`` in its path. Raises EndpointNotFound, and Overloaded beyond the
    operation's rate; a request counts until its response is sent.
    """

    def __init__(self, app: ASGIApp, endpoints: Endpoints, operation: str, limits: RateLimits) -> None:
        self._app, self._endpoints = app, endpoints
        self._operation, self._limits = operation, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        endpoint = self._endpoints.resolve(scope["path_params"]["endpoint"])
        with self._limits.admitted(endpoint.name, self._operation):
            await self._app(scope, receive, send)
