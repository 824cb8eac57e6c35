"""Two Ray nodes that share a PostgreSQL and are killed, at last both at once, with 200 jobs on their way."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.flock import Flock, receiver, until
from tests.launch.processes import answers, end, kill, replicas, start
from tests.serving import asr, classifier, free_port, jobs


def start_nodes(config: Path, port: int, database: str) -> subprocess.Popen[bytes]:
    """Two nodes with a runner each; see ``tests.launch.two_nodes``."""
    command = [sys.executable, "-m", "tests.launch.two_nodes", str(config), str(port)]
    variables = {"RAY_AUTH_TOKEN": "nodes-" + "0" * 32, "ANTIPHON_DATABASE_URL": database}
    return start(command, config.with_name("log"), **variables)


async def test_200_jobs_outlive_kills_on_two_nodes_with_postgresql(tmp_path: Path, postgres: str) -> None:
    """A runner, a model's replica, the ingress, and then both nodes at once, each while jobs are in flight."""
    port = free_port()
    path = tmp_path / "config.json"
    models = [asr("sample-asr"), classifier("sample-classifier")]
    path.write_text(json.dumps({"models": models, "jobs": jobs(str(tmp_path / "jobs"))}))
    process = start_nodes(path, port, postgres)
    url = f"http://127.0.0.1:{port}"
    try:
        await until(lambda: answers(url), 120)
        first, second = replicas(process, "runner")
        assert first.parent() != second.parent(), "they run on different nodes"
        with receiver() as (hook, received):
            flock = Flock(url, hook, received)
            sending = asyncio.create_task(flock.send(transcriptions=40, classifications=160))
            for number, victim in enumerate(("runner", "sample-asr", "ingress"), 1):
                await flock.reach(40 * number, sending)
                replicas(process, victim)[0].kill()
            await flock.reach(160, sending)
            await asyncio.to_thread(kill, process)
            process = start_nodes(path, port, postgres)
            await sending
            _, ended = await asyncio.gather(flock.streams(), flock.ended())
            flock.check(ended)
            assert len({job["workerId"] for job in ended.values()}) >= 2
            await flock.check_webhooks()
    finally:
        end(process)
