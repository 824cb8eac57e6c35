"""What clients can do to us and to others: leave at the worst moment, flood, ask for too much, race."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from deployments.errors import InvalidRequest, Overloaded
from serve_app.jobs.options import JobOptions
from serve_app.jobs.protocol import JobRequest
from serve_app.jobs.storage import job_rows, watch
from serve_app.jobs.storage.tables import webhooks
from serve_app.jobs.types import JobConflict, JobNotFound
from tests.serve_app.jobs.support import ENDPOINT, OTHER, Script, Site, eventually, site_of, until

BIG = "x" * 5_000
HOOK = JobOptions(webhook="http://192.0.2.1/")


def files(site: Site) -> list[Path]:
    return [path for path in (Path(site.config.folder) / "payloads").rglob("*") if path.is_file()]


def requests(*inputs: Any) -> list[JobRequest]:
    return [JobRequest({"steps": [{"result": value}], "big": BIG}, HOOK) for value in inputs]


async def test_a_client_that_leaves_while_it_submits(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path, runners=0, inline_bytes=1_024) as site:
        step = {"result": BIG}
        for _ in range(20):
            leaving = asyncio.create_task(site.submit(step, idempotency_key="key"))
            await asyncio.sleep(0)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
        job = await site.submit(step, idempotency_key="key")
        site.start_runner()
        assert (await site.end(job)).output == BIG
        assert script.begun == [job.id]


async def test_a_flooded_model_leaves_room_whatever_name_it_is_called_by(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path, runners=0, concurrency=300) as site:
        for endpoint in (ENDPOINT, "transcribe", "transcribe-legacy"):
            for _ in range(100):
                await site.submit({"wait": "go"}, endpoint=endpoint)
        other = await site.submit({"result": 1}, endpoint=OTHER)
        site.start_runner()
        assert (await site.end(other)).output == 1
        assert len(script.begun) - 1 <= site.service.endpoints[ENDPOINT].concurrency == 128


async def test_refused_drafts_leave_nothing_behind(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.jobs.batches.MOST_REQUESTS", 50)
    async with site_of(tmp_path, runners=0, inline_bytes=1_024) as site:
        service = site.service
        with pytest.raises(JobNotFound):
            await service.add_to_batch(ENDPOINT, "nobody", requests(1))
        assert files(site) == []
        batch = await service.create_batch(ENDPOINT, requests(1, 2))
        (first, second), total = await service.batch_requests(ENDPOINT, batch.id, 0, 10)
        assert (total, len(files(site))) == (2, 2)
        for _ in range(3):
            await service.change_in_batch(ENDPOINT, batch.id, first["id"], requests(3)[0])
        with pytest.raises(JobNotFound):
            await service.change_in_batch(ENDPOINT, batch.id, "nobody", requests(3)[0])
        await service.change_in_batch(ENDPOINT, batch.id, first["id"], None)
        assert {path.parent.name for path in files(site)} == {second["id"]}
        with pytest.raises(JobConflict, match="at most"):
            await service.add_to_batch(ENDPOINT, batch.id, requests(4) * 50)
        await service.cancel_batch(ENDPOINT, batch.id)
        assert files(site) == []


async def test_a_page_of_big_drafts_is_a_short_one(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.jobs.storage.batch_rows.PAGE_BYTES", 12_000)
    async with site_of(tmp_path, runners=0, inline_bytes=1_024) as site:
        batch = await site.service.create_batch(ENDPOINT, requests(*range(5)))
        found, seen = [], 0
        while seen < 5:
            page, total = await site.service.batch_requests(ENDPOINT, batch.id, seen, 100)
            assert (len(page) <= 2, total) == (True, 5)
            found += [entry["input"]["steps"][0]["result"] for entry in page]
            seen += len(page)
        assert found == [0, 1, 2, 3, 4]


async def test_a_batch_keeps_its_order_the_queues_bound_and_its_counters(
    tmp_path: Path, database: str | None, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.jobs.runner.CLEAN_S", 0.1)
    async with site_of(tmp_path, database=database, runners=0, queue_jobs=10, concurrency=1, keep_s=1) as site:
        service = site.service
        batch = await service.create_batch(ENDPOINT, requests(*range(10)))
        blocking = await site.submit({"result": 0})
        with pytest.raises(Overloaded):
            await service.finalize_batch(ENDPOINT, batch.id)
        await service.cancel(ENDPOINT, blocking.id)
        drafts, _ = await service.batch_requests(ENDPOINT, batch.id, 0, 10)
        assert (await service.finalize_batch(ENDPOINT, batch.id)).status == "FINALIZED"
        with pytest.raises(JobConflict, match="FINALIZED"):
            await service.add_to_batch(ENDPOINT, batch.id, requests(11))
        site.start_runner()
        await until(lambda: len(script.begun) == 10)
        assert script.begun == [entry["id"] for entry in drafts]

        async def expired() -> bool:
            return not await service.recent(ENDPOINT, 1)

        await eventually(expired)
        done = await service.batch(ENDPOINT, batch.id)
        assert (done.total, done.completed, done.failed, done.in_progress) == (10, 10, 0, 0)


async def test_cancelling_a_batch_tells_of_every_job(tmp_path: Path, database: str | None, script: Script) -> None:
    async with site_of(tmp_path, database=database, runners=0) as site:
        batch = await site.service.create_batch(ENDPOINT, requests(1, 2))
        await site.service.finalize_batch(ENDPOINT, batch.id)
        assert (await site.service.cancel_batch(ENDPOINT, batch.id)).status == "CANCELLED"
        wanted = sqlalchemy.select(webhooks.c.body)
        bodies = site.store.database.transact(lambda c: list(c.execute(wanted).scalars()))
        assert len(bodies) == 2
        assert all('"status": "CANCELLED"' in body for body in bodies)


async def test_a_key_is_free_again_after_a_cancellation(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path, runners=0, inline_bytes=1_024) as site:
        first = await site.submit({"result": BIG}, idempotency_key="key")
        await site.service.cancel(ENDPOINT, first.id)
        second = await site.submit({"result": BIG}, idempotency_key="key")
        assert second.id != first.id
        assert second.status == "IN_QUEUE"


@pytest.mark.parametrize("job_id", ["\x00", "ünï", "\ud800", "a\nb", "x" * 100_000], ids=range(5))
async def test_ids_that_cannot_be(tmp_path: Path, database: str | None, script: Script, job_id: str) -> None:
    async with site_of(tmp_path, database=database, runners=0) as site:
        service = site.service
        for call in (service.get, service.cancel, service.retry, service.batch, service.cancel_batch):
            with pytest.raises(JobNotFound):
                await call(ENDPOINT, job_id)  # type: ignore[operator]
        with pytest.raises(JobNotFound):
            await service.stream(ENDPOINT, job_id, 0)


async def test_an_input_that_is_too_deep(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path, runners=0) as site:
        deep: Any = []
        for _ in range(100_000):
            deep = [deep]
        with pytest.raises(InvalidRequest, match="deep"):
            await site.submit(job_input={"deep": deep})
        while deep:  # taken apart, because Python's own way of freeing it is recursive, too
            deep = deep.pop()


async def test_waiting_survives_an_error_of_the_database(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site_of(tmp_path) as site:
        job = await site.submit({"wait": "go"}, {"result": 1})
        await until(lambda: script.begun)
        waiting = asyncio.create_task(site.service.wait(ENDPOINT, job.id, 20))
        works, failures = watch._reading, 0

        def broken(ids: Any) -> Any:
            nonlocal failures
            failures += 1
            if failures <= 3:
                raise sqlalchemy.exc.OperationalError("statement", {}, Exception("away"))
            return works(ids)

        monkeypatch.setattr(watch, "_reading", broken)
        await until(lambda: failures > 3)
        script.event("go").set()
        assert (await waiting).output == 1


async def test_the_end_is_told_with_the_end(tmp_path: Path, database: str | None, script: Script) -> None:
    """A webhook that belongs to the end is not told if the job ends otherwise."""
    async with site_of(tmp_path, database=database, attempts=1) as site:
        job_input = {"url": "http://192.0.2.1/"}
        steps = ({"notice": "started"}, {"last notice": "completed"})
        good = await site.submit(*steps, job_input=job_input)
        bad = await site.submit(*steps, {"fail": "client"}, job_input=job_input)
        await site.end(good)
        await site.end(bad)
        wanted = sqlalchemy.select(webhooks.c.owner, webhooks.c.event).order_by(webhooks.c.number)
        rows = site.store.database.transact(lambda c: c.execute(wanted).all())
        assert [row.event for row in rows if row.owner == good.id] == ["started", "completed"]
        assert [row.event for row in rows if row.owner == bad.id] == ["started", "failed"]


async def test_a_result_is_kept_from_its_end_on(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload may take longer than a result is kept."""
    async with site_of(tmp_path, keep_s=1) as site:

        async def slow(self: Any, job: Any, output: Any) -> Any:
            await asyncio.sleep(1.5)
            return output

        monkeypatch.setattr("serve_app.jobs.outputs.Outputs.uploaded", slow)
        assert (await site.end(await site.submit({"result": 1}))).output == 1


async def test_finishing_and_cancelling_at_once_tell_one_story(
    tmp_path: Path, database: str | None, script: Script
) -> None:
    async with site_of(tmp_path, database=database) as site:
        sent = [await site.submit({"wait": "go"}, {"result": 1}, options=HOOK) for _ in range(30)]
        await until(lambda: len(script.begun) == 30)
        script.event("go").set()
        await asyncio.gather(*(site.service.cancel(ENDPOINT, job.id) for job in sent))
        ended = {job.id: (await site.end(job)).status for job in sent}
        wanted = sqlalchemy.select(webhooks.c.owner, webhooks.c.body)
        rows = site.store.database.transact(lambda c: c.execute(wanted).all())
        assert sorted(row.owner for row in rows) == sorted(ended)
        assert all(f'"status": "{ended[row.owner]}"' in row.body for row in rows)


def test_a_row_that_was_retried_is_not_swept_away(tmp_path: Path) -> None:
    """``expired`` deletes what it has locked, and nothing that came to life in between."""
    from serve_app.jobs.storage.database import Database
    from serve_app.jobs.types import Job

    database = Database.open(tmp_path, None, {})
    job = Job("a", ENDPOINT, "IN_QUEUE", 100.0, 200.0, JobOptions())
    database.transact(lambda c: job_rows.add(c, job, "null"))
    assert database.transact(lambda c: job_rows.expired(c, 199.0, 10)) == []
    database.transact(lambda c: job_rows.keep(c, "a", 300.0))
    assert database.transact(lambda c: job_rows.expired(c, 250.0, 10)) == []
    assert database.transact(lambda c: job_rows.expired(c, 301.0, 10)) == ["a"]
    database.close()
