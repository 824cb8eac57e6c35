"""The models with all that jobs need beside them, in a loop of their own."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Protocol

from serve_app.config.app import AppConfig
from serve_app.config.jobs import ContractName, JobsConfig
from serve_app.contracts.contract import Chunk, JobProgress, JobResult
from serve_app.gateway.gateway import Gateway
from serve_app.http.app import create_app
from serve_app.jobs.outputs import Outputs
from serve_app.keys import ApiKeys
from serve_app.runpod_worker.loop_thread import LoopThread
from serve_app.runpod_worker.sent_job import Sent
from serve_app.runpod_worker.webhooks import WorkerWebhooks
from serve_app.runpod_worker.work import Tools, work

STOP_S = 45.0  # for webhooks, Serve and Ray together


class Runtime(Protocol):
    """Where the models run."""

    async def start(self) -> Gateway:
        """The gateway to the models, which need not be ready. Raises StartFailed."""
        ...

    async def ready(self) -> None:
        """Return when every model is ready. Raises StartFailed."""
        ...

    async def lost(self) -> None:
        """Return when the models are gone for good."""
        ...

    async def close(self) -> None:
        """Stop what was started."""
        ...


class Service:
    """Starts at once, in the background. ``lost`` is called, from another thread, when the models are gone."""

    def __init__(
        self,
        config: AppConfig,
        runtime: Runtime,
        *,
        contract: ContractName | None = None,
        lost: Callable[[], object] = lambda: None,
    ) -> None:
        self._config, self._runtime, self.contract, self._lost = config, runtime, contract, lost
        self._tools: Tools | None = None
        self._webhook_queue: WorkerWebhooks | None = None
        self._closed = False
        self._background = LoopThread("antiphon")
        self._starting: Future[None] = self._background.submit(self._start())

    async def ready(self) -> None:
        """Return when every model is ready. Raises StartFailed. For any event loop."""
        await asyncio.shield(asyncio.wrap_future(self._starting))

    def wait(self) -> None:
        """The same for a thread."""
        self._starting.result()

    async def run(self, sent: Sent, *, streamed: bool) -> AsyncGenerator[Chunk | JobProgress | JobResult]:
        """What ``work`` yields for a job, in any event loop. Raises any ``AntiphonError``."""
        await self.ready()
        tools = self._tools
        assert tools is not None
        relayed = self._background.relay(lambda: work(sent, tools, streamed=streamed))
        async with contextlib.aclosing(relayed) as items:
            async for item in items:
                yield item

    def close(self) -> None:
        """Deliver webhooks that are due and stop everything, within bounds."""
        if self._closed:
            return
        self._closed = True
        self._starting.cancel()
        with contextlib.suppress(TimeoutError, CancelledError):
            self._background.submit(self._stop()).result(STOP_S)
        self._background.close()

    async def _start(self) -> None:
        gateway = await self._runtime.start()
        jobs = self._config.jobs
        folder = Path(jobs.folder) if jobs and "folder" in jobs.model_fields_set else None
        settings = jobs or JobsConfig()
        self._webhook_queue = WorkerWebhooks(settings.webhooks, folder)
        self._tools = Tools(
            gateway,
            create_app(gateway, self._config.http, ApiKeys(), echo_request_id=False),
            self._webhook_queue,
            Outputs(settings.publish, self._config.fetch.allowed_networks),
            settings.webhooks,
            self.contract,
            self._config.http.request_timeout_s,
            self._config.http.upload_bytes,
        )
        await self._runtime.ready()
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        await self._runtime.lost()
        self._lost()

    async def _stop(self) -> None:
        if self._webhook_queue is not None:
            await self._webhook_queue.close()
        await self._runtime.close()
