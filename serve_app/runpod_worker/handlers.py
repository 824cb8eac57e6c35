"""The handlers that RunPod's SDK calls. What a job asks for decides which kind it gets: the SDK streams if the
handler is a generator function, and only then.
"""

from collections.abc import AsyncGenerator, Callable
from typing import Any

from deployments.errors import AntiphonError
from serve_app.contracts.contract import Chunk, Progress, Result
from serve_app.failures import as_told
from serve_app.launch.readiness import StartFailed
from serve_app.runpod_worker.progress import ProgressPosts
from serve_app.runpod_worker.sent_job import Sent
from serve_app.runpod_worker.service import Service
from serve_app.runpod_worker.work import streams

Handler = Callable[[Sent], Any]


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
                    case Result():
                        value = item.value
                    case Progress():
                        self._tell(item)
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
                    case Progress():
                        self._tell(item)
        except Exception as error:
            yield {"error": self._sentence(error)}
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop the work, if it goes on, and the telling of its progress."""
        await self._items.aclose()
        if self._progress is not None:
            await self._progress.settle()

    def _tell(self, item: Progress) -> None:
        if self._progress is not None:
            self._progress.tell(item.value)

    def _sentence(self, error: Exception) -> str:
        if isinstance(error, StartFailed):
            return " ".join(str(error).split())
        told = error if isinstance(error, AntiphonError) else as_told(error, str(self._sent.get("id")))
        return told.message


class _Verbatim(dict[str, Any]):
    """A result that stays as it is: the SDK would take ``error`` and ``refresh_worker`` out of it."""

    def pop(self, key: str, default: Any = None) -> Any:
        """Nothing."""
        return default
