"""``/v2/{endpoint}/openai/...``: any request of the OpenAI API as a job, answered like the API itself."""

from starlette.requests import Request
from starlette.responses import Response

from deployments.errors import InvalidRequest
from serve_app.config.jobs import JobsConfig
from serve_app.contracts.openai.request import wants_stream
from serve_app.http.jobs.openai_answers import answer
from serve_app.http.jobs.openai_input import openai_input
from serve_app.http.jobs.openai_stream import ChunkStream, abandon
from serve_app.http.jobs.runs import idempotency_key
from serve_app.http.query import EVERYTHING, reads_query
from serve_app.http.responses.disconnect import while_connected
from serve_app.jobs.options import JobOptions
from serve_app.jobs.protocol import JobRequest, Jobs
from serve_app.jobs.types import Job

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
WAIT_S = 300.0


class OpenAiHandlers:
    """The handler. Nobody could ask for the result later, so a client that leaves, or that waited for too long,
    cancels the job, unless it has sent an idempotency key, with which it can.
    """

    def __init__(self, jobs: Jobs, config: JobsConfig, wait_s: float = WAIT_S) -> None:
        self._jobs, self._config, self._wait_s = jobs, config, wait_s

    @reads_query(EVERYTHING)
    async def call(self, request: Request) -> Response:
        """Any method: the raw result, or the error with its status."""
        key = idempotency_key(request)
        job_input = await openai_input(request, self._config.runsync_bytes)
        sent = JobRequest(job_input, JobOptions(inline=True))
        name = str(request.path_params["endpoint"])
        contract = self._jobs.endpoints.resolve(name).contract
        if contract not in (None, "openai"):
            raise InvalidRequest(
                f"The endpoint {name!r} takes jobs of the kind {contract} only; send OpenAI requests to one "
                "without a contract."
            )
        job = await self._jobs.submit(name, sent, sync=True, idempotency_key=key)
        if wants_stream(job_input):
            return ChunkStream(self._jobs, job, abandoned=key is None)
        return await answer(await self._finished(request, job, abandoned=key is None))

    async def _finished(self, request: Request, job: Job, *, abandoned: bool) -> Job:
        final = False
        try:
            finished = await while_connected(request.receive, self._jobs.wait(job.endpoint, job.id, self._wait_s))
            final = finished.final
            return finished
        finally:
            if abandoned and not final:
                await abandon(self._jobs, job)
