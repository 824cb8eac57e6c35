"""A sender that is killed with its process: what it had in its hands is delivered all the same, in order."""

import asyncio
import sys
from pathlib import Path

from aiohttp import web

from tests.serve_app.jobs.webhooks.conftest import Rows, StartSender
from tests.serve_app.jobs.webhooks.receiver import Receiver, until

PROGRAM = """
import asyncio, sys
from pathlib import Path
from serve_app.config.jobs import WebhooksConfig
from serve_app.jobs.storage.database import Database
from serve_app.jobs.webhooks.sender import Sender

database = Database.open(Path(sys.argv[1]), None, {})
config = WebhooksConfig(allowed_networks=("127.0.0.0/8",), timeout_s=5)
asyncio.run(Sender(database, config, (), poll_s=0.02).run())
"""


async def test_a_killed_sender_loses_nothing(
    rows: Rows, receiver: Receiver, start_sender: StartSender, tmp_path: Path
) -> None:
    async def answer(number: int) -> web.StreamResponse:
        if number <= 3:  # one for each job
            await asyncio.Event().wait()
        return web.Response()

    receiver.answers["/hook"] = answer
    for job in "abc":
        rows.add(job, f"{receiver.url}/hook", {"job": job, "number": 0}, {"job": job, "number": 1})
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, str(tmp_path))
    try:
        await until(lambda: len(receiver.calls) == 3, 60)
    finally:
        process.kill()
        await process.wait()

    start_sender()
    rows.add("d", f"{receiver.url}/other", {})
    await rows.become("delivered", owner="d")
    assert len(receiver.payloads("/hook")) == 3  # the leases hold
    rows.clock.ahead_s += 30
    await rows.become(*["delivered"] * 7)
    assert [row.attempts for row in rows.all()] == [2, 1] * 3 + [1]
    assert len(receiver.payloads("/hook")) == 9
    for job in "abc":
        calls = [call for call in receiver.calls if call.payload.get("job") == job]
        assert [call.payload["number"] for call in calls] == [0, 0, 1]
        assert calls[0].id == calls[1].id != calls[2].id
