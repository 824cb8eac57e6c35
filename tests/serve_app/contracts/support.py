"""What the tests of contracts share: a context around a stub gateway, and what comes of a job."""

import json
from collections.abc import Mapping
from typing import Any

from deployments.errors import AntiphonError
from serve_app.config.jobs import PublishConfig, WebhooksConfig
from serve_app.contracts import choose
from serve_app.contracts.contract import Chunk, Contract, Item, JobContext, JobResult, Notice
from serve_app.jobs.options import JobOptions
from serve_app.jobs.outputs import Outputs
from serve_app.jobs.types import Job
from tests.serve_app.http.stub import StubGateway, app_of

JOB = Job("job-1", "speech", "IN_PROGRESS", 0, 1, JobOptions())
URL = "https://example.com/speech.wav"


def context_of(gateway: StubGateway | None = None, **changes: Any) -> JobContext:
    gateway = gateway or StubGateway()
    webhooks = WebhooksConfig(**changes.pop("webhooks", {}))
    return JobContext("job-1", gateway, app_of(gateway), webhooks=webhooks, **changes)


async def items_of(contract: Contract, job_input: Mapping[str, Any], context: JobContext) -> list[Item]:
    """All items, each of which has to be JSON, and the result the last."""
    items = [item async for item in contract.run(job_input, context)]
    for item in items:
        json.dumps(item.payload if isinstance(item, Notice) else item.value, allow_nan=False)
    assert not any(isinstance(item, JobResult) for item in items[:-1])
    assert contract.streams(job_input) == (not any(isinstance(item, JobResult) for item in items))
    return items


async def chunks_of(contract: Contract, job_input: Mapping[str, Any], context: JobContext) -> list[Chunk]:
    """The items of a job that has nothing but chunks."""
    items = await items_of(contract, job_input, context)
    chunks = [item for item in items if isinstance(item, Chunk)]
    assert len(chunks) == len(items)
    return chunks


async def output_of(job_input: Mapping[str, Any], context: JobContext | None = None, task: Any = None) -> Any:
    """What ``status`` shows of a job whose contract is found by its shape."""
    items = await items_of(choose(job_input, task, None), job_input, context or context_of())
    if isinstance(items[-1], JobResult):
        return await Outputs(PublishConfig(), environment={}).of(JOB, items[-1])
    return [item.value for item in items if isinstance(item, Chunk)]


async def refusal_of(contract: Contract, job_input: Mapping[str, Any], context: JobContext | None = None) -> str:
    """The sentence with which a job fails."""
    try:
        await items_of(contract, job_input, context or context_of())
    except AntiphonError as error:
        return error.message
    raise AssertionError("the job was not refused")
