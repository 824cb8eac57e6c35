"""Runners that die, fall silent, or stop: their jobs end exactly once all the same."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from serve_app.jobs.options import JobOptions
from serve_app.jobs.storage import leases
from serve_app.jobs.storage.leases import ChunkRow, Ending
from serve_app.jobs.storage.tables import webhooks
from tests.serve_app.jobs.support import ENDPOINT, Script, Site, site_of, until

QUEUE: tuple[Any, Any] = ({ENDPOINT: 9}, {ENDPOINT: [ENDPOINT]})


def _webhooks(site: Site) -> list[tuple[str, str]]:
    """Owners and events of all webhooks, in order."""
    wanted = sqlalchemy.select(webhooks.c.owner, webhooks.c.event).order_by(webhooks.c.owner, webhooks.c.number)
    return site.store.database.transact(lambda c: [tuple(row) for row in c.execute(wanted)], reads=True)


async def test_the_jobs_of_a_dead_runner_are_begun_again(
    tmp_path: Path, database: str | None, script: Script
) -> None:
    async with site_of(tmp_path, database=database) as site:
        job_input = {"url": "http://192.0.2.1/hook"}
        options = JobOptions(webhook="http://192.0.2.1/job")
        steps = [{"notice": "started"}, {"chunk": 1}, {"wait": "go"}, {"chunk": 2}, {"notice": "completed"}]
        sent = [await site.submit(*steps, job_input=job_input, options=options) for _ in range(5)]
        for job in sent:
            page = await site.service.stream(ENDPOINT, job.id, 10)
            assert page.chunks == (1,)
        site.kill(site.runners[0])
        script.event("go").set()
        site.start_runner("second")
        for job in sent:
            done = await site.end(job)
            assert (done.status, done.output, done.attempts, done.worker) == ("COMPLETED", [1, 2], 2, "second")
            rest = await site.service.stream(ENDPOINT, job.id, 1)
            assert (rest.job.status, rest.chunks) == ("COMPLETED", (2,))
        assert Counter(script.begun) == {job.id: 2 for job in sent}
        assert sorted(_webhooks(site)) == sorted(
            (job.id, event) for job in sent for event in ("started", "completed", "job")
        )


async def test_a_job_that_kills_its_runners_has_failed_in_the_end(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path, lease_s=1, attempts=2) as site:
        job = await site.submit({"wait": "never"})
        for number in range(2):
            await until(lambda number=number: len(script.begun) == number + 1)  # type: ignore[misc]
            site.kill(site.runners[0], lease_over=False)
            site.start_runner(f"next-{number}")
        done = await site.end(job)
        assert (done.status, done.error_status) == ("FAILED", 500)
        assert "2 times" in str(done.error)
        assert len(script.begun) == 2


async def test_a_runner_that_stops_gives_its_jobs_back(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path, lease_s=600) as site:
        job = await site.submit({"chunk": 1}, {"wait": "go"}, {"chunk": 2})
        await until(lambda: script.begun)
        first = site.runners.pop()
        await first.close()
        script.event("go").set()
        site.start_runner("second")
        done = await site.end(job)
        assert (done.output, done.attempts, done.worker) == ([1, 2], 1, "second")


async def test_who_comes_too_late_writes_nothing(tmp_path: Path, database: str | None, script: Script) -> None:
    async with site_of(tmp_path, database=database, runners=0) as site:
        job = await site.submit({"result": 1})
        transact, now = site.store.database.transact, job.created
        (late,) = transact(lambda c: leases.take(c, 9, *QUEUE, "late", now, 5))
        assert transact(lambda c: leases.take(c, 9, *QUEUE, "next", now + 4, 5)) == []
        (held,) = transact(lambda c: leases.take(c, 9, *QUEUE, "next", now + 6, 5))
        assert (late.job.id, late.job.attempts, held.job.attempts) == (held.job.id, 0, 1)
        chunk = ChunkRow('"x"', 0, 1.0)
        assert not transact(lambda c: leases.write(c, late, [chunk]))
        assert not transact(lambda c: leases.finish(c, late, Ending("COMPLETED", "1"), now, 60))
        transact(lambda c: leases.put_back(c, late, now, counted=False))
        assert transact(lambda c: leases.held(c, [late.token, held.token])) == {held.token}
        assert transact(lambda c: leases.write(c, held, [chunk]))
        assert transact(lambda c: leases.finish(c, held, Ending("COMPLETED", "1"), now, 60))
        assert not transact(lambda c: leases.finish(c, held, Ending("FAILED", None), now, 60))
        assert (await site.service.get(ENDPOINT, job.id)).output == 1
        assert (await site.service.health(ENDPOINT)).completed == 1


@pytest.mark.parametrize("runners", [2, 4])
async def test_many_runners_do_every_job_once(
    tmp_path: Path, database: str | None, script: Script, runners: int
) -> None:
    async with site_of(tmp_path, database=database, runners=0, concurrency=8, lease_s=30) as site:
        steps = [[{"wait": "go"}, {"chunk": number}, {"result": number}] for number in range(100)]
        sent = [await site.submit(*those) for those in steps]
        for number in range(runners):
            site.start_runner(f"runner-{number}")
        await until(lambda: len(script.begun) == 8 * runners)
        script.event("go").set()
        ended = await asyncio.gather(*(site.end(job, 60) for job in sent))
        assert [job.output for job in ended] == list(range(100))
        assert Counter(script.begun) == {job.id: 1 for job in sent}
        assert len({job.worker for job in ended}) == runners


async def test_the_database_may_be_away_for_a_while(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.jobs.runner.PAUSE_AFTER_ERROR_S", 0.01)
    async with site_of(tmp_path) as site:
        job = await site.submit({"wait": "go"}, {"result": 1})
        await until(lambda: script.begun)
        works, calls = site.store.database.run, 0

        async def broken(*_: Any, **__: Any) -> Any:
            nonlocal calls
            calls += 1
            raise sqlalchemy.exc.OperationalError("statement", {}, Exception("away"))

        monkeypatch.setattr(site.store.database, "run", broken)
        await until(lambda: calls > 5)
        monkeypatch.setattr(site.store.database, "run", works)
        script.event("go").set()
        assert (await site.end(job)).output == 1
        site.runners[0].check()
