"""gRPC's own health service, ``grpc.health.v1.Health``, which probes and load balancers ask."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from grpc import StatusCode
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListResponse

NAME = "grpc.health.v1.Health"
WHOLE, LIVENESS = "", "liveness"
FRESH_S = 1.0
MOST_WATCHERS = 1_000
Statuses = Mapping[str, bool]
"""Whether calls of a service are answered, by its name; ``WHOLE`` is all of them."""

Ask = Callable[[], Awaitable[Mapping[str, Statuses | None]]]
SERVING = int(HealthCheckResponse.SERVING)
NOT_SERVING = int(HealthCheckResponse.NOT_SERVING)
SERVICE_UNKNOWN = int(HealthCheckResponse.SERVICE_UNKNOWN)


class Health:
    """Answers for all applications, whose statuses are asked for at most once a second, however many watch.

    ``ask`` gives what each application says, None for one that does not answer. A service of ``names`` is not
    serving while nobody says more.
    """

    def __init__(self, ask: Ask, names: Iterable[str]) -> None:
        self._ask, self._names = ask, frozenset({WHOLE, *names})
        self._applications: Mapping[str, Statuses | None] = {}
        self._asked = -FRESH_S
        self._asking = asyncio.Lock()
        self._watchers = 0

    def handlers(self) -> "dict[str, grpc.RpcMethodHandler[Any, Any]]":
        """The three methods."""
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        return {
            "Check": unary(self.check, response_serializer=_written),
            "List": unary(self.list, response_serializer=_written),
            "Watch": stream(self.watch, response_serializer=_written),
        }

    async def check(self, request: bytes, context: Any) -> HealthCheckResponse:
        """The status of a service. Ends with NOT_FOUND if there is none of its name."""
        service = await _service(request, context)
        status = await self._status(service, _application(context))
        if status == SERVICE_UNKNOWN:
            names = ", ".join(sorted(self._names - {WHOLE}))
            await context.abort(StatusCode.NOT_FOUND, f"No service of this name is served. Known are {names}.")
        return HealthCheckResponse(status=status)

    async def list(self, request: bytes, context: Any) -> HealthListResponse:
        """The statuses of all services that there are."""
        application = _application(context)
        statuses = {name: await self._status(name, application) for name in (*sorted(self._names), LIVENESS)}
        return HealthListResponse(
            statuses={
                name: HealthCheckResponse(status=status)
                for name, status in statuses.items()
                if status != SERVICE_UNKNOWN
            }
        )

    async def watch(self, request: bytes, context: Any) -> AsyncGenerator[HealthCheckResponse, None]:
        """The status of a service, and every change of it, until the client leaves."""
        service, application = await _service(request, context), _application(context)
        if self._watchers >= MOST_WATCHERS:
            await context.abort(StatusCode.RESOURCE_EXHAUSTED, f"There are {MOST_WATCHERS} watchers already.")
        self._watchers += 1
        try:
            sent = None
            while True:
                status = await self._status(service, application)
                if status != sent:
                    sent = status
                    yield HealthCheckResponse(status=status)
                await asyncio.sleep(FRESH_S)
        finally:
            self._watchers -= 1

    async def _status(self, service: str, application: str | None) -> int:
        if service == LIVENESS:
            return SERVING
        async with self._asking:
            if time.monotonic() - self._asked >= FRESH_S:
                self._applications = await self._ask()
                self._asked = time.monotonic()
            applications = self._applications
        return _status_in(applications, service, application, known=service in self._names)


def statuses_message(statuses: Statuses) -> HealthListResponse:
    """The message in which an application says them."""
    kinds = {True: SERVING, False: NOT_SERVING}
    return HealthListResponse(
        statuses={name: HealthCheckResponse(status=kinds[serves]) for name, serves in statuses.items()}
    )


def _status_in(
    applications: Mapping[str, Statuses | None], service: str, application: str | None, *, known: bool
) -> int:
    """The status of a service in the application that a client names, or in all that have it.

    A service that an application has not heard of may be one of an application that does not answer.
    """
    if application is not None and len(applications) > 1:  # Serve looks at the name only if there is a choice
        if application not in applications:
            return SERVICE_UNKNOWN
        applications = {application: applications[application]}
    answers = [statuses for statuses in applications.values() if statuses is not None]
    serves = [statuses[service] for statuses in answers if service in statuses]
    silent = not applications or len(answers) < len(applications)
    if not all(serves) or (silent and known):
        return NOT_SERVING
    return SERVING if serves else SERVICE_UNKNOWN


async def _service(request: bytes, context: Any) -> str:
    try:
        return str(HealthCheckRequest.FromString(request).service)
    except DecodeError:
        await context.abort(
            StatusCode.INVALID_ARGUMENT, "The request is no message of the type grpc.health.v1.HealthCheckRequest."
        )
        raise


def _application(context: Any) -> str | None:
    value = dict(context.invocation_metadata() or ()).get("application")
    return value if isinstance(value, str) else None


def _written(message: Message) -> bytes:
    return message.SerializeToString()
