"""The handlers that RunPod's SDK calls, and a job's progress, posted in order. What a job asks for
decides which kind of handler it gets: the SDK streams if it is a generator function, and only then.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from deployments.errors import AntiphonError
from serve_app.contracts.contract import Chunk, JobProgress, JobResult
from serve_app.failures import StartFailed, error_for_client
from serve_app.runpod_worker.sent_job import Sent
from serve_app.runpod_worker.service import Service
from serve_app.runpod_worker.work import streams

logger = logging.getLogger("ray.serve")

SETTLE_S = 5.0  # progress that does not arrive holds up a result for no longer

Handler = Callable[[Sent], Any]


class ProgressPosts:
    """Progress of a job, posted in order and never after its result: one post at a time, and only the newest
    value waits.

    The SDK's own ``progress_update`` starts a thread for every call and forgets it, so that the last progress may
    come after the result and take its place.
    """

    def __init__(self, post: Callable[[Any], Awaitable[None]]) -> None:
        self._post = post
        self._waiting: list[Any] = []  # at most one
        self._posting: asyncio.Task[None] | None = None

    def post(self, value: Any) -> None:
        """Post the value, soon."""
        if self._posting is None:
            self._posting = asyncio.create_task(self._post_all(value))
        else:
            self._waiting = [value]

    async def settle(self) -> None:
        """Return when no post is left. What waits is dropped, because the result comes now."""
        self._waiting.clear()
        posting = self._posting
        if posting is not None:
            await asyncio.wait({posting}, timeout=SETTLE_S)
            posting.cancel()

    async def _post_all(self, value: Any) -> None:
        try:
            await self._post(value)
            while self._waiting:
                await self._post(self._waiting.pop())
        except Exception:  # progress is no reason for a job to fail
            logger.warning("progress could not be posted", exc_info=True)
        finally:
            self._posting = None


class JobHandler:
    """The handlers for one job. They never raise; a failure is an ``error`` of one sentence."""

    def __init__(self, service: Service, sent: Sent, progress: ProgressPosts | None = None) -> None:
        self._sent, self._progress = sent, progress
        self._streams = progress is not None and streams(sent, service.contract)
        self._items = service.run(sent, streamed=self._streams)

    @property
    def function(self) -> Handler:
        """The one that fits the job."""
        return self.stream if self._streams else self.whole

    async def whole(self, _: Sent) -> Any:
        """The whole output, which is a list of the chunks if the job is one that could stream."""
        value: Any = None
        try:
            async for item in self._items:
                match item:
                    case JobResult():
                        value = item.value
                    case JobProgress():
                        self._show(item)
        except Exception as error:
            return {"error": self._sentence(error)}
        finally:
            await self.close()
        return _Verbatim(value) if isinstance(value, dict) else value

    async def stream(self, _: Sent) -> AsyncGenerator[Any]:
        """The chunks, and an ``error`` in place of what is missing if there is one."""
        try:
            async for item in self._items:
                match item:
                    case Chunk():
                        yield item.value
                    case JobProgress():
                        self._show(item)
        except Exception as error:
            yield {"error": self._sentence(error)}
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop the work, if it goes on, and the posts of its progress."""
        await self._items.aclose()
        if self._progress is not None:
            await self._progress.settle()

    def _show(self, item: JobProgress) -> None:
        if self._progress is not None:
            self._progress.post(item.value)

    def _sentence(self, error: Exception) -> str:
        if isinstance(error, StartFailed):
            return " ".join(str(error).split())
        failure = error if isinstance(error, AntiphonError) else error_for_client(error, str(self._sent.get("id")))
        return failure.message


class _Verbatim(dict[str, Any]):
    """A result that stays as it is: the SDK would take ``error`` and ``refresh_worker`` out of it."""

    def pop(self, key: str, default: Any = None) -> Any:
        """Nothing."""
        return default
