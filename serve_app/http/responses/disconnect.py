"""Work that stops when its client leaves."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from deployments.errors import ModelUnavailable
from serve_app.concurrency import cancel

T = TypeVar("T")


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Result of ``work``, which is cancelled, and ClientDisconnect raised, when the client leaves first.

    The request's body has to be read already: what ``receive`` still delivers is thrown away.
    """
    task = asyncio.ensure_future(work)
    listener = asyncio.ensure_future(_until_disconnect(receive))
    try:
        await asyncio.wait({task, listener}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            listener.result()
            raise ClientDisconnect
        if task.cancelled():  # by nobody here: a replica that is shut down cancels what it has begun
            raise ModelUnavailable("The work on this request was stopped. Try again.")
        return task.result()
    finally:
        await cancel(task, listener)


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
