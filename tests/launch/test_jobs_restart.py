"""The whole server is killed with 200 jobs on their way, and started again on what it has left behind; the
same with two nodes that share a PostgreSQL.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from tests.e2e.flock import Flock, receiver, until
from tests.launch.test_launch import BIN, answers
from tests.serving import ROOT, asr, classifier, free_port, jobs

pytestmark = pytest.mark.slow


def config(folder: Path, port: int) -> Path:
    """A configuration file with the sample models and jobs in the folder."""
    small = {"ray_actor_options": {"num_cpus": 0}, "graceful_shutdown_timeout_s": 1}
    document = {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": port},
        "applications": [
            {
                "name": "antiphon",
                "import_path": "serve_app:build",
                "args": {
                    "models": [asr("sample-asr"), classifier("sample-classifier")],
                    "jobs": jobs(str(folder / "jobs")),
                },
                "deployments": [
                    {"name": name, **small}
                    for name in ("ingress", "runner", "states", "sample-asr", "sample-classifier")
                ],
            }
        ],
    }
    path = folder / "serve.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def start(path: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    with log.open("ab") as out:
        return subprocess.Popen(
            [BIN / "antiphon", "serve", str(path)],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for it and all that it has started, at once."""
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        member.send_signal(signal.SIGSTOP)
    for member in family:
        member.kill()
    process.wait(30)
    if process.stdin is not None:
        process.stdin.close()
    psutil.wait_procs(family, timeout=30)


async def test_200_jobs_outlive_the_server(tmp_path: Path) -> None:
    port = free_port()
    url, path, log = f"http://127.0.0.1:{port}", config(tmp_path, port), tmp_path / "log"
    process = start(path, log)
    try:
        await until(lambda: answers(url), 120)
        with receiver() as (hook, received):
            flock = Flock(url, hook, received)
            sending = asyncio.create_task(flock.send(transcriptions=40, classifications=160))
            await flock.reach(150, sending)
            assert await flock.in_flight() > 0
            await asyncio.to_thread(kill, process)
            process = start(path, log)
            await sending
            assert len(flock.sent) == 200
            _, ended = await asyncio.gather(flock.streams(), flock.ended())
            flock.check(ended)
            await flock.check_webhooks()
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            kill(process)
            raise


def start_nodes(config: Path, port: int, database: str) -> subprocess.Popen[bytes]:
    """Two nodes with a runner each; see ``tests.launch.two_nodes``."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environment |= {"RAY_AUTH_TOKEN": "nodes-" + "0" * 32, "ANTIPHON_DATABASE_URL": database}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.launch.two_nodes", str(config), str(port)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def replicas(process: subprocess.Popen[bytes], deployment: str) -> list[psutil.Process]:
    """The processes of a deployment's replicas."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "".join(child.cmdline()[:1]).startswith(f"ray::ServeReplica:default:{deployment}"):
                found.append(child)
    return found


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
                assert await flock.in_flight() > 0
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
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            kill(process)
            raise
