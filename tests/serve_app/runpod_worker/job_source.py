"""A stand-in for RunPod: hands jobs out, tells which to stop, and keeps what the worker posts."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

HOLD_S = 2.0
BODY_BYTES = 64 * 1024**2


@dataclass
class Record:
    """What was posted for one job, in order: ``("progress" | "chunk" | "done", body)``."""

    posts: list[tuple[str, Any]] = field(default_factory=list)
    taken: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    started: float = 0.0
    finished: float = 0.0

    def of(self, kind: str) -> list[Any]:
        """Bodies of one kind."""
        return [body for found, body in list(self.posts) if found == kind]

    def final(self, timeout_s: float = 60) -> dict[str, Any]:
        """The only final body."""
        assert self.done.wait(timeout_s), f"no result; posts so far: {self.posts}"
        (body,) = self.of("done")
        return dict(body)

    def output(self, timeout_s: float = 60) -> Any:
        """The output of a job that did not fail."""
        body = self.final(timeout_s)
        assert "error" not in body, body
        return body["output"]

    def error(self, timeout_s: float = 60) -> str:
        """The error of a job that failed, which never is a traceback."""
        body = self.final(timeout_s)
        assert "Traceback" not in json.dumps(body)
        assert isinstance(body["error"], str)
        return str(body["error"])


class JobSource:
    """Runs in a thread. ``polled`` is set once the worker has asked for work."""

    def __init__(self, hold_s: float = HOLD_S) -> None:
        self._hold_s = hold_s
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._jobs: list[Any] = []
        self._stops: list[str] = []
        self._verbatim: list[bytes] = []
        self.records: dict[str, Record] = {}
        self.polled = threading.Event()
        self.takes = 0
        self.pings: list[str] = []
        self.unhealthy: list[dict[str, str]] = []
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def environment(self) -> dict[str, str]:
        """What RunPod sets for a worker."""
        base = f"http://127.0.0.1:{self.port}/v2/tests"
        return {
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=FAKE",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=FAKE",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=FAKE",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID?gpu=FAKE",
            "RUNPOD_AI_API_KEY": "key",
            "RUNPOD_POD_ID": "worker-1",
            "RUNPOD_ENDPOINT_ID": "tests",
            "RUNPOD_PING_INTERVAL": "1000",
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
            "RUNPOD_SKIP_GPU_CHECK": "true",
        }

    def give(self, *jobs: Any) -> list[Record]:
        """Jobs to hand out, as they are; the records of those that have an id."""
        found = []
        for job in jobs:
            if isinstance(job, dict) and "id" in job:
                record = self.records[str(job["id"])] = Record(started=time.monotonic())
                found.append(record)
        self._loop.call_soon_threadsafe(self._jobs.extend, jobs)
        return found

    def job(self, job_id: str, job_input: Any, **more: Any) -> Record:
        """One job."""
        (record,) = self.give({"id": job_id, "input": job_input, **more})
        return record

    def say(self, body: bytes) -> None:
        """Answer the next take with this."""
        self._loop.call_soon_threadsafe(self._verbatim.append, body)

    def stop(self, job_id: str) -> None:
        """Tell the worker to stop a job."""
        self._loop.call_soon_threadsafe(self._stops.append, job_id)

    async def _start(self) -> None:
        app = web.Application(client_max_size=BODY_BYTES)
        base = "/v2/tests"
        app.add_routes(
            [
                web.get(base + "/job-take/{worker}", self._take),
                web.get(base + "/job-take-batch/{worker}", self._take),
                web.get(base + "/job-stop/{worker}", self._stop),
                web.post(base + "/job-done/{worker}/{job}", self._done),
                web.post(base + "/job-stream/{worker}/{job}", self._chunk),
                web.get(base + "/ping/{worker}", self._ping),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _end(self) -> None:
        await self._runner.cleanup()
        held = asyncio.all_tasks() - {asyncio.current_task()}
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)

    async def _take(self, request: web.Request) -> web.Response:
        self.takes += 1
        self.polled.set()
        await self._held(lambda: self._jobs or self._verbatim)
        if self._verbatim:
            return web.Response(body=self._verbatim.pop(0), content_type="application/json")
        wanted = int(request.query.get("batch_size", "1"))
        taken, self._jobs[:wanted] = self._jobs[:wanted], []
        if not taken:
            return web.Response(status=204)
        for job in taken:
            if isinstance(job, dict) and str(job.get("id")) in self.records:
                self.records[str(job["id"])].taken.set()
        return web.json_response(taken if "batch_size" in request.query else taken[0])

    async def _stop(self, request: web.Request) -> web.Response:
        await self._held(lambda: self._stops)
        taken, self._stops[:] = self._stops[:], []
        return web.json_response({"jobsToStop": taken}) if taken else web.Response(status=204)

    async def _held(self, ready: Callable[[], Iterable[Any]]) -> None:
        end = time.monotonic() + self._hold_s
        while not ready() and time.monotonic() < end:
            await asyncio.sleep(0.01)

    async def _done(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read(), parse_constant=_no_constants)
        record = self.records[request.match_info["job"]]
        if body.get("status") == "IN_PROGRESS":
            record.posts.append(("progress", body["output"]))
        else:
            record.posts.append(("done", body))
            record.finished = time.monotonic()
            record.done.set()
        return web.Response()

    async def _chunk(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read(), parse_constant=_no_constants)
        self.records[request.match_info["job"]].posts.append(("chunk", body["output"]))
        return web.Response()

    async def _ping(self, request: web.Request) -> web.Response:
        self.pings.append(request.query.get("job_id", ""))
        if "status" in request.query:
            self.unhealthy.append(dict(request.query))
        return web.Response()


def _no_constants(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
