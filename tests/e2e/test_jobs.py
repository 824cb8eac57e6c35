"""Jobs on a real graph: whatever is killed while 200 of them are on their way, each ends once."""

import asyncio

import httpx

from tests.e2e.conftest import Server
from tests.e2e.flock import AUDIO_BASE64, Flock, receiver, until


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


async def test_200_jobs_outlive_kills(server: Server) -> None:
    """A runner, replicas of two models and the ingress are killed in turn, each while jobs are in flight."""
    with receiver() as (hook, received):
        flock = Flock(server.url, hook, received)
        sending = asyncio.create_task(flock.send(transcriptions=40, classifications=160))
        for number, victim in enumerate(("runner", "sample-asr", "sample-classifier", "ingress"), 1):
            await flock.reach(40 * number, sending)
            before = server.replicas(victim)
            server.kill(before[0])
            await until(lambda v=victim, b=before: len(set(server.replicas(v)) - {b[0]}) == len(b))  # type: ignore[misc]
        await sending
        assert len(flock.sent) == 200
        _, ended = await asyncio.gather(flock.streams(), flock.ended())
        flock.check(ended)
        await flock.check_webhooks()
