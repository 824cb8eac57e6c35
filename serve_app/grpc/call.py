"""One call: who makes it, under which id, how it ends."""

import ipaddress
import logging
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import unquote

from grpc import StatusCode

from serve_app.failures import error_for_client
from serve_app.grpc.errors import details, metadata, status_code
from serve_app.request_id import request_id

logger = logging.getLogger("ray.serve")


class CallContext(Protocol):
    """What is used of a call's context: of the one that Serve brings to the replica, and of gRPC's own."""

    def invocation_metadata(self) -> Iterable[Any] | None:
        """Pairs of a lower-case name and a text, or bytes if the name ends with ``-bin``."""

    def trailing_metadata(self) -> Iterable[Any] | None:
        """Pairs that are sent with the status."""

    def peer(self) -> str:
        """The client's address, such as ``ipv4:127.0.0.1:4321``."""

    def set_code(self, code: StatusCode) -> None:
        """Set the status that the call will end with."""

    def set_details(self, details: str) -> None:
        """Set the status's sentence."""

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        """Set the pairs that are sent with the status."""


class Call:
    """A call as a context manager: what fails within it becomes the call's status, and it is logged at the end.

    An exception would take its traceback through Serve to the log, and would leave its trailing metadata behind:
    so the status is set on the context, and the method has to return or yield an empty message after it.
    """

    def __init__(self, path: str, context: CallContext) -> None:
        self._path, self._context = path, context
        self._sent = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
        given = dict(context.trailing_metadata() or ()).get("request_id", "")  # from Serve, if the client has none
        self.request_id = request_id(self._sent.get("x-request-id") or self._sent.get("request_id") or str(given))
        self._trailing: list[tuple[str, str]] = []
        self._status = StatusCode.OK

    @property
    def failed(self) -> bool:
        """Whether the call ends with a status other than OK."""
        return self._status is not StatusCode.OK

    @property
    def authorization(self) -> bytes | None:
        """The metadata of that name."""
        value = self._sent.get("authorization")
        return None if value is None else value.encode("utf-8", "replace")

    @property
    def is_local(self) -> bool:
        """Whether the client runs on this machine."""
        kind, _, address = unquote(self._context.peer()).partition(":")
        host = address.rpartition(":")[0].strip("[]").partition("%")[0]
        if kind not in ("ipv4", "ipv6"):
            return False
        try:
            parsed = ipaddress.ip_address(host)
        except ValueError:
            return False
        mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
        return (mapped or parsed).is_loopback

    def add_metadata(self, trailing: Iterable[tuple[str, str]]) -> None:
        """Add to what is sent with the status. In a stream, only what was added before an event goes with it."""
        self._trailing += trailing
        self._context.set_trailing_metadata(self._trailing)

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        self.add_metadata([("x-request-id", self.request_id)])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, Exception):
            self._fail(error)
        elif error is not None:
            self._status = StatusCode.CANCELLED
        self._log()
        return isinstance(error, Exception)

    def _fail(self, error: Exception) -> None:
        failure = error_for_client(error, self.request_id)
        self._status = status_code(failure)
        self._context.set_code(self._status)
        self._context.set_details(details(failure))
        self.add_metadata(metadata(failure))

    def _log(self) -> None:
        latency_ms = round((time.perf_counter() - self._began) * 1_000, 1)
        logger.info(
            "gRPC %s %s %.1f ms",
            self._path,
            self._status.name,
            latency_ms,
            extra={
                "request_id": self.request_id,
                "path": self._path,
                "status": self._status.name,
                "latency_ms": latency_ms,
            },
        )
