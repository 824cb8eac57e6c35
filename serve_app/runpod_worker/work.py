"""One job, worked on by its contract. Knows neither the SDK nor where the models run."""

import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.types import ASGIApp

from deployments.deadline import until
from deployments.errors import DeadlineExceeded
from serve_app.config.jobs import ContractName, WebhooksConfig
from serve_app.contracts import choose
from serve_app.contracts.contract import Chunk, Contract, Item, JobContext, JobProgress, JobResult, Notice
from serve_app.contracts.patience import patiently
from serve_app.failures import error_for_client
from serve_app.gateway.gateway import Gateway
from serve_app.jobs.outputs import Outputs
from serve_app.jobs.types import Job
from serve_app.runpod_worker import sent_job
from serve_app.runpod_worker.json_safe import json_safe
from serve_app.runpod_worker.sent_job import Sent
from serve_app.runpod_worker.webhooks import WorkerWebhooks


@dataclass(frozen=True, slots=True)
class Tools:
    """What all jobs share. ``contract`` None goes by the shape of each job's input; ``timeout_s`` holds for jobs
    that RunPod gives no time.
    """

    gateway: Gateway
    http: ASGIApp
    webhook_queue: WorkerWebhooks
    outputs: Outputs
    webhooks: WebhooksConfig = field(default_factory=WebhooksConfig)
    contract: ContractName | None = None
    timeout_s: float = 3_600
    upload_bytes: int = 128 * 1024**2
    clock: Callable[[], float] = time.time


def streams(sent: Sent, contract: ContractName | None) -> bool:
    """Whether the output of a job is a list of chunks. Never raises."""
    try:
        job_input = sent_job.input_of(sent)
        return choose(job_input, None, contract).streams(job_input)
    except Exception:  # ``work`` says what is wrong
        return False


async def work(sent: Sent, tools: Tools, *, streamed: bool) -> AsyncGenerator[Chunk | JobProgress | JobResult]:
    """What comes of a job, JSON-safe: chunks as they come, or else one result at the end; and progress.

    Webhooks that the contract promises are queued on the way. Raises any ``AntiphonError`` and nothing else.
    Closing it stops the work.
    """
    job = sent_job.read(sent, tools.clock(), tools.timeout_s)
    attempt = _ContractRun(job, tools)
    chunks: list[Any] = []
    result: JobResult | None = None
    try:
        async with contextlib.aclosing(attempt.items(sent)) as items:
            async for item in items:
                match item:
                    case Notice():
                        await tools.webhook_queue.add(job.id, [item])
                    case JobProgress():
                        yield JobProgress(json_safe(item.value))
                    case Chunk() if streamed:
                        yield Chunk(json_safe(item.value), item.start, item.end, item.lane)
                    case Chunk():
                        chunks.append(item.value)
                    case JobResult():
                        result = item
        if not streamed:
            whole = JobResult(chunks) if result is None else result
            yield JobResult(await tools.outputs.of(job, replace(whole, value=json_safe(whole.value))))
    except Exception as error:
        failure = error_for_client(error, job.id)
        await tools.webhook_queue.add(job.id, attempt.failed(sent, failure))
        raise failure from error


class _ContractRun:
    def __init__(self, job: Job, tools: Tools) -> None:
        self._tools = tools
        self._contract: Contract | None = None
        deadline = tools.clock() + job.options.execution_timeout_s
        self._context = JobContext(
            job.id,
            tools.gateway,
            tools.http,
            deadline=deadline,
            webhooks=tools.webhooks,
            upload_bytes=tools.upload_bytes,
        )

    async def items(self, sent: Sent) -> AsyncGenerator[Item]:
        """What the contract says, until the job's time is over. While the model is full it waits, since nobody
        else would try again.
        """
        job_input = sent_job.input_of(sent)
        contract = self._contract = choose(job_input, None, self._tools.contract)
        deadline, clock = self._context.deadline, self._tools.clock

        def begin() -> AsyncGenerator[Item]:
            return until(deadline, contract.run(job_input, self._context), clock)

        runs = patiently(begin, deadline, clock, commits=lambda item: isinstance(item, Chunk))
        try:
            async with contextlib.aclosing(runs) as items:
                async for item in items:
                    yield item
        except DeadlineExceeded as error:
            raise DeadlineExceeded("The job took longer than its execution timeout.") from error

    def failed(self, sent: Sent, error: Any) -> list[Notice]:
        """Webhooks about a failure."""
        if self._contract is None:
            return []
        return list(self._contract.failed(sent_job.input_of(sent), error, self._context))
