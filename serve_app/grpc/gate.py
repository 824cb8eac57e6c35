"""What every call has to pass before its request is read."""

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from deployments.errors import InvalidRequest, PayloadTooLarge
from serve_app.concurrency import LARGE_BYTES, run_off_loop
from serve_app.config.app import GrpcConfig
from serve_app.grpc.call import Call
from serve_app.grpc.errors import RemoteClient
from serve_app.keys import ApiKeys

Request = TypeVar("Request", bound=Message)
Parsed = TypeVar("Parsed")


class Gate:
    """Lets calls in by where they come from, by their key and by their size."""

    def __init__(self, config: GrpcConfig, keys: ApiKeys) -> None:
        self._config, self._keys = config, keys

    async def read(
        self,
        call: Call,
        sent: bytes,
        kind: type[Request],
        read: Callable[[Request, str], Parsed],
        *,
        most_bytes: int | None = None,
    ) -> Parsed:
        """What ``read`` makes of the message of a call and its id. ``most_bytes`` is a limit of the method.

        Raises RemoteClient, AuthenticationFailed, PayloadTooLarge, whatever ``read`` raises, and
        InvalidRequest for bytes that are no ``kind``.
        """
        if not (self._config.remote_clients or call.is_local):
            raise RemoteClient(
                "This server takes gRPC calls to 127.0.0.1 and ::1 only; `grpc.remote_clients: true` in its "
                "configuration lets other machines in."
            )
        self._keys.check(call.authorization)
        limit = min(self._config.message_bytes, most_bytes or self._config.message_bytes)
        if len(sent) > limit:
            raise PayloadTooLarge(f"The request has {len(sent)} bytes; this server takes {limit}.")
        return await run_off_loop(
            lambda: read(_parsed(sent, kind), call.request_id), large=len(sent) > LARGE_BYTES
        )


def _parsed(sent: bytes, kind: type[Request]) -> Request:
    try:
        return kind.FromString(sent)
    except DecodeError as error:
        raise InvalidRequest(f"The request is no message of the type {kind.DESCRIPTOR.full_name}.") from error
