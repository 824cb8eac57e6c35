"""Jobs on a real graph: whatever is killed while 200 of them are in flight, each ends once."""

import asyncio

import httpx
import pytest

from tests.e2e.conftest import Server, wait_until
from tests.e2e.flock import AUDIO_BASE64, Flock, receiver


async def test_a_job_of_every_family(server: Server) -> None:
    async with httpx.AsyncClient(base_url=f"{server.url}/v2", timeout=60) as client:
        found = (await client.post("/classify/runsync", json={"input": {"prompt": "Good morning."}})).json()
        assert (found["status"], found["output"]["label"]) == ("COMPLETED", "neutral")
        job_input = {"model": "sample-asr", "transcribe_args": {"blob": AUDIO_BASE64}}
        found = (await client.post("/transcribe/runsync", json={"input": job_input})).json()
        assert found["status"] == "COMPLETED", found
        assert "two two three" in str(found["output"])
        refused = await client.post("/abc123/runsync", json={"input": {"audio_base64": "AAAA"}})
        assert refused.status_code == 400
        assert refused.json()["status"] == "FAILED"
        health = (await client.get("/transcribe/health")).json()
        assert health["jobs"]["completed"] >= 1
        assert health["workers"]["ready"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["runner", "sample-asr", "sample-classifier", "ingress"])
async def test_200_jobs_outlive_a_kill(server: Server, victim: str) -> None:
    with receiver() as (hook, received):
        flock = Flock(server.url, hook, received)
        sending = asyncio.create_task(flock.send(180, 20))
        while len(flock.sent) < 100:
            await asyncio.sleep(0.01)
            assert not sending.done() or sending.exception() is None
        before = server.replicas(victim)
        server.kill(before[0])
        await sending
        assert len(flock.sent) == 200
        (_, ended) = await asyncio.gather(flock.streams(), flock.ended())
        flock.check(ended)
        await flock.check_webhooks()
        wait_until(lambda: len(set(server.replicas(victim)) - {before[0]}) == len(before))
