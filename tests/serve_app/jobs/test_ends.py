"""Every end of a job is told to the address that it named."""

import json
from pathlib import Path
from typing import Any

import sqlalchemy

from serve_app.jobs.options import JobOptions
from serve_app.jobs.storage.tables import webhooks
from tests.serve_app.jobs.support import ENDPOINT, Script, site_of, until

HOOK = "http://192.0.2.1/"


async def test_every_end_is_told(tmp_path: Path, script: Script) -> None:
    async with site_of(tmp_path, attempts=1) as site:
        options = JobOptions(webhook=HOOK)
        jobs = {
            "COMPLETED": await site.submit({"result": 1}, options=options),
            "FAILED": await site.submit({"fail": "client"}, options=options),
            "TIMED_OUT": await site.submit(
                {"wait": "never"}, options=JobOptions(webhook=HOOK, execution_timeout_s=0.1)
            ),
            "CANCELLED": await site.submit({"wait": "never"}, options=options),
        }
        await until(lambda: len(script.begun) == len(jobs))
        await site.service.cancel(ENDPOINT, jobs["CANCELLED"].id)
        for status, job in jobs.items():
            assert (await site.end(job)).status == status
        wanted = sqlalchemy.select(webhooks.c.owner, webhooks.c.event, webhooks.c.body)
        rows = site.store.database.transact(lambda c: c.execute(wanted).all())
        told: dict[str, dict[str, Any]] = {row.owner: json.loads(row.body) for row in rows}
        assert {row.event for row in rows} == {"job"}
        assert len(rows) == len(told) == len(jobs)
        for status, job in jobs.items():
            body = told[job.id]
            assert (body["id"], body["status"], body["webhook"]) == (job.id, status, HOOK)
            assert body["input"]["steps"]
            assert body["delayTime"] >= 0
            assert body["executionTime"] >= 0
            assert ("output" in body, "error" in body) == (
                status == "COMPLETED",
                status in ("FAILED", "TIMED_OUT"),
            )
