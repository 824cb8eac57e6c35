"""RunPod's rates: how many requests of a kind an endpoint takes in ten seconds, and at once. Per process."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.errors import Overloaded
from serve_app.jobs.endpoints import Endpoints

WINDOW_S = 10.0
BUSY_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests in any window of ten seconds, and requests at the same time (None: any number)."""

    in_window: int
    at_once: int | None = None


RATES: Mapping[str, Rate] = MappingProxyType(
    {
        "runsync": Rate(2_000, 400),
        "run": Rate(1_000, 200),
        "status": Rate(2_000, 400),
        "stream": Rate(2_000, 400),
        "cancel": Rate(100, 20),
        "purge-queue": Rate(2),
        "openai": Rate(2_000, 400),
        "requests": Rate(10, 2),
    }
)


@dataclass(slots=True)
class _Use:
    times: deque[float] = field(default_factory=deque)  # of admissions within the window; at most the rate's
    active: int = 0


class RateLimits:
    """Admits requests by endpoint and operation. An operation without a rate is always admitted."""

    def __init__(self, rates: Mapping[str, Rate] = RATES, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates, self._clock = rates, clock
        self._uses: dict[tuple[str, str], _Use] = {}

    @contextlib.contextmanager
    def admitted(self, endpoint: str, operation: str) -> Iterator[None]:
        """The time during which a request is served. Raises Overloaded, which says when there is room again.

        ``endpoint`` is one that exists: every name that was ever seen is remembered.
        """
        rate = self._rates.get(operation)
        if rate is None:
            yield
            return
        use = self._uses.setdefault((endpoint, operation), _Use())
        now = self._clock()
        while use.times and use.times[0] <= now - WINDOW_S:
            use.times.popleft()
        if len(use.times) >= rate.in_window:
            raise Overloaded(
                f"The endpoint {endpoint!r} takes {rate.in_window} {operation} requests in {WINDOW_S:g} s; "
                "try again later.",
                retry_after_s=use.times[0] + WINDOW_S - now,
            )
        if rate.at_once is not None and use.active >= rate.at_once:
            raise Overloaded(
                f"The endpoint {endpoint!r} serves {rate.at_once} {operation} requests at once; try again later.",
                retry_after_s=BUSY_RETRY_S,
            )
        use.times.append(now)
        use.active += 1
        try:
            yield
        finally:
            use.active -= 1


class EndpointGuard:
    """Middleware of a route with ``{endpoint}`` in its path: the endpoint has to exist, and its rate to allow one
    more request, which counts until its response is sent. Raises EndpointNotFound, Overloaded.
    """

    def __init__(self, app: ASGIApp, endpoints: Endpoints, operation: str, limits: RateLimits) -> None:
        self._app, self._endpoints = app, endpoints
        self._operation, self._limits = operation, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        endpoint = self._endpoints.resolve(scope["path_params"]["endpoint"])
        with self._limits.admitted(endpoint.name, self._operation):
            await self._app(scope, receive, send)
