"""What Serve's gRPC proxy says by itself, in the words of the API.

A proxy answers when no replica does: while applications come and go, and when a replica dies with a call. Its own
status is then NOT_FOUND or INTERNAL, after which no client tries again.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

from grpc import StatusCode

from deployments.errors import AntiphonError, DeadlineExceeded, ServerUnavailable
from serve_app.grpc.errors import NoApplication, details, metadata, status_code

Unary = Callable[[bytes, Any], Awaitable[bytes]]
Stream = Callable[[bytes, Any], AsyncGenerator[bytes, None]]
Applications = Callable[[], Awaitable[Sequence[str]]]


def unary(handler: Unary, applications: Applications) -> Unary:
    """The handler of a call, whose status is ours in any case. ``applications`` names those that there are."""

    async def answer(request: bytes, context: Any) -> bytes:
        response = await handler(request, context)
        await _speak_for_the_proxy(context, applications)
        return response

    return answer


def stream(handler: Stream, applications: Applications) -> Stream:
    """The same for a call with many answers."""

    async def answers(request: bytes, context: Any) -> AsyncGenerator[bytes, None]:
        async with aclosing(handler(request, context)) as responses:
            async for response in responses:
                yield response
        await _speak_for_the_proxy(context, applications)

    return answers


async def _speak_for_the_proxy(context: Any, applications: Applications) -> None:
    sent = list(context.trailing_metadata() or ())
    if any(name == "error-code" for name, _ in sent):  # the ingress has said it
        return
    error = await _error(context.code(), applications)
    if error is not None:
        context.set_code(status_code(error))
        context.set_details(details(error))
        context.set_trailing_metadata([*sent, *metadata(error)])


async def _error(code: Any, applications: Applications) -> AntiphonError | None:
    match code:
        case StatusCode.NOT_FOUND if names := await applications():
            return NoApplication(
                f"The metadata `application` have to name one of {', '.join(sorted(names))}.", param="application"
            )
        case StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded("The call took longer than Serve's `request_timeout_s` allows.")
        case StatusCode.INTERNAL:
            return ServerUnavailable("The process that had this call ended before it answered; try again.")
        case StatusCode.NOT_FOUND | StatusCode.UNAVAILABLE | StatusCode.RESOURCE_EXHAUSTED:
            return ServerUnavailable("The server is starting or stopping, or has too many calls; try again.")
    return None
