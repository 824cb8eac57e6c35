"""From a submitted job to its end, with a real runner on real databases."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from deployments.errors import Overloaded
from serve_app.jobs.envelope import envelope
from serve_app.jobs.options import JobOptions
from serve_app.jobs.runner_client import NoRunner
from serve_app.jobs.types import EndpointNotFound, JobConflict, JobNotFound
from tests.serve_app.jobs.support import ENDPOINT, OTHER, Script, Site, eventually, site_of, until


async def test_a_job_becomes_its_result(tmp_path: Path, database: str | None, script: Script) -> None:
    async with site_of(tmp_path, database=database) as site:
        job = await site.submit({"progress": 0.5}, {"result": {"text": "ünï\ud800\x00"}})
        assert (job.status, job.output) == ("IN_QUEUE", None)
        done = envelope(await site.end(job))
        assert done["output"] == {"text": "ünï\ud800\x00"}
        assert done["status"] == "COMPLETED"
        assert done["delayTime"] >= 0
        assert done["executionTime"] >= 0
        assert done["workerId"] == "runner-0"
        assert done.keys() == {"id", "status", "delayTime", "executionTime", "output", "workerId"}
        assert script.contexts[0].deadline is not None


async def test_chunks_are_streamed_once_and_make_the_output(
    tmp_path: Path, database: str | None, script: Script
) -> None:
    async with site_of(tmp_path, database=database) as site:
        job = await site.submit({"chunk": "a"}, {"wait": "go"}, {"chunk": ["b"]}, {"chunk": None})
        first = await site.service.stream(ENDPOINT, job.id, 10)
        assert (first.job.status, first.chunks) == ("IN_PROGRESS", ("a",))
        empty = await site.service.stream(ENDPOINT, job.id, 0.05)
        assert (empty.job.status, empty.chunks) == ("IN_PROGRESS", ())
        waiting = asyncio.create_task(site.service.stream(ENDPOINT, job.id, 10))
        script.event("go").set()
        found = list((await waiting).chunks)
        while not (page := await site.service.stream(ENDPOINT, job.id, 10)).job.final:
            found += page.chunks
        assert [*found, *page.chunks] == [["b"], None]
        assert (await site.end(job)).output == ["a", ["b"], None]
        last = await site.service.stream(ENDPOINT, job.id, 0)
        assert (last.job.status, last.chunks) == ("COMPLETED", ())


async def test_many_readers_share_a_stream(tmp_path: Path, database: str | None, script: Script) -> None:
    async with site_of(tmp_path, database=database) as site:
        job = await site.submit(*({"chunk": number} for number in range(40)))

        async def read() -> list[Any]:
            found: list[Any] = []
            while True:
                page = await site.service.stream(ENDPOINT, job.id, 5)
                found += page.chunks
                if page.job.final:
                    return found

        parts = await asyncio.gather(*(read() for _ in range(4)))
        assert sorted(number for part in parts for number in part) == list(range(40))
        assert all(part == sorted(part) for part in parts)


async def test_progress_is_seen_until_the_output(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path) as site:
        job = await site.submit({"progress": {"done": 1}}, {"wait": "go"}, {"fail": "client"})
        await until(lambda: script.begun)

        async def shown() -> bool:
            return envelope(await site.service.get(ENDPOINT, job.id)).get("output") == {"done": 1}

        await eventually(shown)
        script.event("go").set()
        assert "output" not in envelope(await site.end(job))


@pytest.mark.parametrize(
    ("kind", "status", "code", "attempts"),
    [("client", "FAILED", 400, 1), ("server", "FAILED", 500, 3), ("unavailable", "FAILED", 503, 3)],
)
async def test_failures(
    tmp_path: Path,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    status: str,
    code: int,
    attempts: int,
) -> None:
    monkeypatch.setattr("serve_app.jobs.retry_policy.BACKOFF_S", 0.01)
    async with site_of(tmp_path) as site:
        done = await site.end(await site.submit({"fail": kind}))
        assert (done.status, done.error_status, len(script.begun)) == (status, code, attempts)
        assert envelope(done)["error"].endswith(".")
        assert site.service.endpoints.resolve(ENDPOINT).name == ENDPOINT


async def test_a_bug_is_told_without_its_text(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.jobs.retry_policy.BACKOFF_S", 0.01)
    async with site_of(tmp_path, attempts=1) as site:
        done = await site.end(await site.submit({"fail": "bug"}))
        assert (done.status, done.error_status) == ("FAILED", 500)
        assert "secret" not in str(done.error)
        assert done.id in str(done.error)


async def test_a_second_attempt_adds_only_what_is_missing(
    tmp_path: Path, database: str | None, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.jobs.retry_policy.BACKOFF_S", 0.01)
    async with site_of(tmp_path, database=database) as site:
        steps = [{"chunk": 1}, {"chunk": 2}, {"fail": "server", "times": 2}, {"chunk": 3}]
        done = await site.end(await site.submit(*steps))
        assert (done.status, done.output, done.attempts) == ("COMPLETED", [1, 2, 3], 3)


async def test_a_full_model_is_waited_for(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path) as site:
        steps = [{"chunk": 1}, {"fail": "overloaded", "times": 5}, {"chunk": 2}]
        done = await site.end(await site.submit(*steps))
        assert (done.status, done.output, done.attempts) == ("COMPLETED", [1, 2], 1)


async def test_an_execution_timeout_stops_the_work(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path) as site:
        options = JobOptions(execution_timeout_s=0.1)
        done = await site.end(await site.submit({"wait": "never"}, options=options))
        assert (done.status, done.error_status) == ("TIMED_OUT", 504)
        assert script.closed == [done.id]


async def test_a_time_to_live_ends_everything(tmp_path: Path, database: str | None, script: Script) -> None:
    async with site_of(tmp_path, database=database) as site:
        job = await site.submit({"wait": "never"}, options=JobOptions(ttl_s=0.5))
        await until(lambda: script.begun)

        async def gone() -> bool:
            try:
                await site.service.get(ENDPOINT, job.id)
            except JobNotFound:
                return True
            return False

        await eventually(gone)
        await until(lambda: script.closed)


async def test_cancelling_stops_the_work(tmp_path: Path, database: str | None, script: Script) -> None:
    async with site_of(tmp_path, database=database) as site:
        job = await site.submit({"chunk": 1}, {"wait": "never"})
        await until(lambda: script.begun)
        cancelled = await site.service.cancel(ENDPOINT, job.id)
        assert cancelled.status == "CANCELLED"
        await until(lambda: script.closed)
        assert (await site.service.cancel(ENDPOINT, job.id)).status == "CANCELLED"
        page = await site.service.stream(ENDPOINT, job.id, 0)
        assert page.job.final


async def test_cancelling_reaches_a_runner_that_nobody_wakes(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path) as site:
        job = await site.submit({"wait": "never"})
        await until(lambda: script.begun)
        site.service._runner = NoRunner()
        await site.service.cancel(ENDPOINT, job.id)
        await until(lambda: script.closed)


async def test_cancelling_what_waits_and_what_is_done(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path, runners=0) as site:
        queued = await site.submit({"result": 1})
        assert (await site.service.cancel(ENDPOINT, queued.id)).status == "CANCELLED"
        done = await site.submit({"result": 1})
        site.start_runner()
        await site.end(done)
        assert (await site.service.cancel(ENDPOINT, done.id)).status == "COMPLETED"
        assert script.begun == [done.id]


async def test_retrying(tmp_path: Path, database: str | None, script: Script) -> None:
    async with site_of(tmp_path, database=database, attempts=1) as site:
        job = await site.submit({"chunk": 1}, {"fail": "client", "times": 1}, {"chunk": 2})
        assert (await site.end(job)).status == "FAILED"
        again = await site.service.retry(ENDPOINT, job.id)
        assert (again.id, again.status) == (job.id, "IN_QUEUE")
        done = await site.end(job)
        assert (done.status, done.output, done.retries, done.error) == ("COMPLETED", [1, 2], 1, None)
        with pytest.raises(JobConflict, match="COMPLETED"):
            await site.service.retry(ENDPOINT, job.id)
        health = await site.service.health(ENDPOINT)
        assert (health.completed, health.failed, health.retried) == (1, 1, 1)


async def test_the_same_key_is_the_same_job(tmp_path: Path, database: str | None, script: Script) -> None:
    async with site_of(tmp_path, database=database) as site:
        sent = [site.submit({"result": 1}, idempotency_key="k") for _ in range(8)]
        found = await asyncio.gather(*sent)
        assert len({job.id for job in found}) == 1
        other = await site.submit({"result": 1}, idempotency_key="k", endpoint=OTHER)
        assert other.id != found[0].id
        await site.end(found[0])
        assert script.begun.count(found[0].id) == 1


async def test_a_queue_is_bounded(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path, runners=0, queue_jobs=3) as site:
        for _ in range(3):
            await site.submit({"result": 1})
        with pytest.raises(Overloaded, match="3 waiting"):
            await site.submit({"result": 1})
        await site.submit({"result": 1}, endpoint=OTHER)
        assert await site.service.purge(ENDPOINT) == 3
        await site.submit({"result": 1})
        health = await site.service.health(ENDPOINT)
        assert (health.in_queue, health.workers["ready"]) == (1, 1)


async def test_unknown_names(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path, runners=0) as site:
        with pytest.raises(EndpointNotFound, match=r"Endpoints: .*sample-asr"):
            await site.submit({"result": 1}, endpoint="nobody")
        job = await site.submit({"result": 1})
        for endpoint, job_id in ((OTHER, job.id), (ENDPOINT, "nobody")):
            with pytest.raises(JobNotFound):
                await site.service.get(endpoint, job_id)
            with pytest.raises(JobNotFound):
                await site.service.cancel(endpoint, job_id)
            with pytest.raises(JobNotFound):
                await site.service.stream(endpoint, job_id, 1)


async def test_low_priority_stands_behind(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path, runners=0, concurrency=1) as site:
        low = await site.submit({"result": 1}, options=JobOptions(low_priority=True))
        high = await site.submit({"result": 1})
        site.start_runner()
        await site.end(low)
        assert script.begun == [high.id, low.id]


async def test_a_flooded_endpoint_leaves_room_to_others(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path, runners=0, concurrency=4) as site:
        flood = [await site.submit({"wait": "go"}) for _ in range(20)]
        few = [await site.submit({"wait": "go"}, endpoint=OTHER) for _ in range(2)]
        site.start_runner()
        await until(lambda: len(script.begun) == 4)
        assert {job.id for job in few} <= set(script.begun)
        script.event("go").set()
        for job in [*flood, *few]:
            assert (await site.end(job)).status == "COMPLETED"


async def test_recent_jobs_come_newest_first(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path, runners=0) as site:
        sent = [await site.submit({"result": 1}) for _ in range(3)]
        found = await site.service.recent(ENDPOINT, 2)
        assert [job.id for job in found] == [sent[2].id, sent[1].id]


def _files(site: Site) -> list[Path]:
    folder = Path(site.config.folder) / "payloads"
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_big_values_are_kept_beside_the_rows(
    tmp_path: Path, script: Script, database: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.jobs.runner.CLEAN_S", 0.1)
    async with site_of(tmp_path, database=database, inline_bytes=2_000, keep_s=1) as site:
        big = "x" * 100_000
        job = await site.submit({"chunk": big}, {"chunk": "small"})
        assert (await site.end(job)).output == [big, "small"]
        assert len(_files(site)) == 2
        await until(lambda: not _files(site))
