"""A job service with its runner in one process, and a contract whose jobs say themselves what they do."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy

from deployments.errors import AntiphonError, InternalError, InvalidRequest, ModelUnavailable, Overloaded
from serve_app.config.app import HttpConfig
from serve_app.config.jobs import JobsConfig
from serve_app.contracts.contract import (
    Attachment,
    Chunk,
    Item,
    JobContext,
    JobInput,
    JobProgress,
    JobResult,
    Notice,
)
from serve_app.http.app import create_app
from serve_app.jobs.options import JobOptions
from serve_app.jobs.outputs import Outputs
from serve_app.jobs.protocol import JobRequest
from serve_app.jobs.runner import Runner
from serve_app.jobs.service import JobService
from serve_app.jobs.storage.store import JobStore
from serve_app.jobs.storage.tables import jobs
from serve_app.jobs.types import Job
from serve_app.jobs.webhooks.sender import Sender
from serve_app.keys import ApiKeys
from tests.serve_app.http.stub import StubGateway

ENDPOINT, OTHER = "sample-asr", "sample-classifier"
LEASE_S = 4.0  # a live runner must not lose one while the machine is busy

ERRORS: dict[str, Callable[[], BaseException]] = {
    "client": lambda: InvalidRequest("The step is wrong."),
    "server": lambda: InternalError("The server failed."),
    "unavailable": lambda: ModelUnavailable("The model is away."),
    "overloaded": lambda: Overloaded("The model is full.", retry_after_s=0.01),
    "bug": lambda: ZeroDivisionError("secret"),
}


@dataclass
class Script:
    """A contract: the ``steps`` of the input are done one after the other.

    ``{"chunk": value}``, ``{"progress": value}``, ``{"result": value}`` and beside it ``"file": text``,
    ``{"notice": event}``, ``{"last notice": event}`` (with the end); ``{"wait": name}`` until ``events[name]`` is
    set; ``{"fail": kind}`` always, and ``{"fail": kind, "times": n}`` the first n times.
    """

    name: str = "script"
    task: None = None
    events: dict[str, asyncio.Event] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    contexts: list[JobContext] = field(default_factory=list)

    def accepts(self, job_input: JobInput) -> bool:
        return "steps" in job_input

    def streams(self, job_input: JobInput) -> bool:
        return not any("result" in step for step in job_input["steps"])

    async def run(self, job_input: JobInput, context: JobContext) -> AsyncGenerator[Item]:
        self.begun.append(context.job_id)
        self.contexts.append(context)
        chunks = 0
        try:
            for step in job_input["steps"]:
                match step:
                    case {"chunk": value}:
                        yield Chunk(value, chunks, chunks + 1)
                        chunks += 1
                    case {"progress": value}:
                        yield JobProgress(value)
                    case {"result": value, "file": text}:
                        yield JobResult(value, Attachment("file", text.encode(), "audio/mpeg"))
                    case {"result": value}:
                        yield JobResult(value)
                    case {"notice": event}:
                        yield Notice(job_input["url"], event, {"event": event})
                    case {"last notice": event}:
                        yield Notice(job_input["url"], event, {"event": event}, with_end=True)
                    case {"wait": name}:
                        await self.event(name).wait()
                    case {"fail": kind, "times": times}:
                        if self.failures.setdefault(context.job_id, 0) < times:
                            self.failures[context.job_id] += 1
                            raise ERRORS[kind]()
                    case {"fail": kind}:
                        raise ERRORS[kind]()
        finally:
            self.closed.append(context.job_id)

    def failed(self, job_input: JobInput, error: AntiphonError, context: JobContext) -> Iterable[Notice]:
        url = job_input.get("url")
        return [Notice(url, "failed", {"error": error.message})] if url else []

    def event(self, name: str) -> asyncio.Event:
        return self.events.setdefault(name, asyncio.Event())


@dataclass
class Site:
    """A service, and what is behind it."""

    store: JobStore
    config: JobsConfig
    gateway: StubGateway
    service: JobService = field(init=False)
    environment: dict[str, str] = field(default_factory=dict)
    runners: list[Runner] = field(default_factory=list)

    def start_runner(self, name: str = "runner") -> Runner:
        """One more runner."""
        http = create_app(self.gateway, HttpConfig(), ApiKeys())
        runner = Runner(
            name,
            self.config,
            self.store,
            Outputs(self.config.publish, ("127.0.0.0/8",), self.environment),
            self.gateway,
            http,
            Sender(self.store.database, self.config.webhooks, ()),
            upload_bytes=1 << 20,
        )
        runner.start()
        self.runners.append(runner)
        return runner

    def kill(self, runner: Runner, *, lease_over: bool = True) -> None:
        """What a SIGKILL leaves behind: nothing is given back; with ``lease_over`` leases have ended."""
        self.runners.remove(runner)
        for task in [*runner._tasks, *(task for _, task in runner._working.values())]:
            task.cancel()
        if lease_over:
            silent = sqlalchemy.update(jobs).where(jobs.c.worker == runner._worker).values(lease_until=0.0)
            self.store.database.transact(lambda connection: connection.execute(silent))

    def wake(self, cancelled: bool) -> None:
        for runner in self.runners:
            runner.wake(cancelled=cancelled)

    async def work(self, job_id: str) -> None:
        if self.runners:
            await self.runners[0].work(job_id)

    async def submit(self, *steps: dict[str, Any], endpoint: str = ENDPOINT, **more: Any) -> Job:
        """A job with these steps."""
        options = more.pop("options", JobOptions())
        job_input = {"steps": list(steps), **more.pop("job_input", {})}
        return await self.service.submit(endpoint, JobRequest(job_input, options), **more)

    async def end(self, job: Job, seconds: float = 20) -> Job:
        """The job when it is final."""
        found = await self.service.wait(job.endpoint, job.id, seconds)
        assert found.final, found
        return found


@contextlib.asynccontextmanager
async def site_of(
    folder: Path, *, runners: int = 1, gateway: StubGateway | None = None, **settings: Any
) -> AsyncIterator[Site]:
    """A service with its database in ``folder`` (or at ``database``)."""
    settings = {
        "folder": str(folder),
        "lease_s": LEASE_S,
        "webhooks": {"allowed_networks": ["127.0.0.0/8"]},
    } | settings
    config = JobsConfig.model_validate(settings)
    store = JobStore.open(config)
    gateway = gateway or StubGateway()
    site = Site(store, config, gateway)
    site.service = JobService(config, store, gateway, site)
    for number in range(runners):
        site.start_runner(f"runner-{number}")
    try:
        yield site
    finally:
        for runner in list(site.runners):
            await runner.close()
        site.service.close()
        store.database.close()


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Poll until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def eventually(condition: Callable[[], Awaitable[Any]], seconds: float = 20) -> None:
    """The same for a condition that has to be awaited."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)
