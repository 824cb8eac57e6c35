"""Jobs of an endpoint, one at a time: ``run``, ``runsync``, ``status``, ``status-sync``, ``cancel``, ``retry``."""

from starlette.requests import Request
from starlette.responses import Response

from deployments.errors import InvalidRequest
from serve_app.config.jobs import JobsConfig
from serve_app.fields.json_field import ignored_header
from serve_app.http.jobs import answers
from serve_app.http.jobs.bodies import read_body
from serve_app.http.jobs.job_request import submission
from serve_app.http.jobs.parameters import flag, milliseconds
from serve_app.http.query import reads_query
from serve_app.http.responses.disconnect import while_connected
from serve_app.jobs.options import SHORTEST_TTL_MS, WEEK_MS
from serve_app.jobs.protocol import Jobs

WAIT_MS = (1_000, 300_000)
WAIT_S = 90.0
TTL_MS = (SHORTEST_TTL_MS, WEEK_MS)
LONGEST_KEY = 255


class RunHandlers:
    """The handlers."""

    def __init__(self, jobs: Jobs, config: JobsConfig) -> None:
        self._jobs, self._config = jobs, config

    async def run(self, request: Request) -> Response:
        """``POST run``: a job that is kept from now on."""
        key = idempotency_key(request)
        sent = await read_body(request, self._config.run_bytes, submission)
        job = await self._jobs.submit(_endpoint(request), sent.request, idempotency_key=key)
        return answers.short(job, ignored_header(sent.ignored))

    @reads_query("wait", "http_errors")
    async def runsync(self, request: Request) -> Response:
        """``POST runsync``: the same, and its envelope once it is final or ``wait`` is over.

        A client that leaves does not stop the job.
        """
        name, key = _endpoint(request), idempotency_key(request)
        wait_s = milliseconds(request, "wait", *WAIT_MS)
        http_errors = flag(request, "http_errors", default=self._jobs.endpoints.resolve(name).http_errors)
        sent = await read_body(request, self._config.runsync_bytes, submission)
        job = await self._jobs.submit(name, sent.request, sync=True, idempotency_key=key)
        wait = self._jobs.wait(name, job.id, WAIT_S if wait_s is None else wait_s)
        job = await while_connected(request.receive, wait)
        status = answers.http_status(job) if http_errors else 200
        return await answers.full(job, status, ignored_header(sent.ignored))

    @reads_query("ttl")
    async def status(self, request: Request) -> Response:
        """``GET status/{id}``: the envelope as it is now; ``ttl`` keeps a finished job for that long."""
        keep_s = milliseconds(request, "ttl", *TTL_MS)
        return await answers.full(await self._jobs.get(_endpoint(request), _job(request), keep_s=keep_s))

    @reads_query("wait")
    async def status_sync(self, request: Request) -> Response:
        """``GET status-sync/{id}``: the envelope once the job is final or ``wait`` is over."""
        wait_s = milliseconds(request, "wait", *WAIT_MS)
        wait = self._jobs.wait(_endpoint(request), _job(request), WAIT_S if wait_s is None else wait_s)
        return await answers.full(await while_connected(request.receive, wait))

    async def cancel(self, request: Request) -> Response:
        """``POST cancel/{id}``: the job's status afterwards, which is another one if it was final already."""
        return answers.short(await self._jobs.cancel(_endpoint(request), _job(request)))

    async def retry(self, request: Request) -> Response:
        """``POST retry/{id}``: a failed job, queued again."""
        return answers.short(await self._jobs.retry(_endpoint(request), _job(request)))


def idempotency_key(request: Request) -> str | None:
    """The header ``Idempotency-Key``, None if it is absent. Raises InvalidRequest."""
    key = request.headers.get("idempotency-key", "").strip()
    if not (key.isascii() and key.isprintable()) or len(key) > LONGEST_KEY:
        raise InvalidRequest(f"The header `Idempotency-Key` has to be 1 to {LONGEST_KEY} ASCII characters.")
    return key or None


def _endpoint(request: Request) -> str:
    return str(request.path_params["endpoint"])


def _job(request: Request) -> str:
    return str(request.path_params["id"])
