"""The chunks of a job as a stream of server-sent events, while the job goes on."""

import contextlib
import json

from starlette.types import Receive, Scope, Send

from serve_app.http.jobs.openai_answers import JOB_HEADER, answer, error_body
from serve_app.http.responses.disconnect import while_connected
from serve_app.http.responses.late import LateResponse
from serve_app.http.responses.message_stream import PING, PING_S
from serve_app.jobs.protocol import Jobs
from serve_app.jobs.types import Job, JobNotFound


class ChunkStream(LateResponse):
    """Sends the chunks, which are text of events, when they come.

    The response begins with the first chunk, or a comment after ``ping_s`` of silence. A job that ends before it
    becomes an ordinary response; one that fails after it, an event with the error. A client that leaves cancels
    the job if it is to be ``abandoned``.
    """

    media_type = "text/event-stream"

    def __init__(self, jobs: Jobs, job: Job, ping_s: float = PING_S, *, abandoned: bool = True) -> None:
        super().__init__({JOB_HEADER: job.id})
        self._jobs, self._job, self._ping_s = jobs, job, ping_s
        self._abandoned = abandoned

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. Raises ClientDisconnect."""
        try:
            await while_connected(receive, self._run(scope, receive, send))
        except BaseException:
            if self._abandoned:
                await abandon(self._jobs, self._job)
            raise

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        job = await self._relay(send)
        if not self._begun:
            job = await self._jobs.get(job.endpoint, job.id)
            if not _taken_before(job):
                await (await answer(job))(scope, receive, send)
                return
        if job.status != "COMPLETED":
            error = json.dumps(error_body(job), separators=(",", ":"))
            await self._write(send, f"data: {error}\n\n".encode())
        elif not self._begun:
            await self._write(send, "".join(job.output).encode("utf-8", "replace"))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _relay(self, send: Send) -> Job:
        """Send what there is until the job has ended and everything was sent; the job as it then is."""
        while True:
            page = await self._jobs.stream(self._job.endpoint, self._job.id, self._ping_s)
            if page.chunks:
                await self._write(send, "".join(map(str, page.chunks)).encode("utf-8", "replace"))
            elif page.job.final:
                return page.job
            else:
                await self._write(send, PING)


async def abandon(jobs: Jobs, job: Job) -> None:
    """Cancel a job of which nobody will hear any more."""
    with contextlib.suppress(JobNotFound):
        await jobs.cancel(job.endpoint, job.id)


def _taken_before(job: Job) -> bool:
    """Whether an earlier request of the same idempotency key has taken the chunks already."""
    return (
        job.status == "COMPLETED" and isinstance(job.output, list) and all(isinstance(c, str) for c in job.output)
    )
