"""The shipped configuration by Ray's own ``serve run``; it is killed with 200 jobs on their way, and ``antiphon
serve`` goes on with what it has left behind. The same with two nodes that share a PostgreSQL.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml

from tests.e2e.flock import Flock, receiver, until
from tests.launch.test_launch import BIN, answers, heard
from tests.serving import ROOT, asr, classifier, free_port, jobs, wait_until


@dataclass
class Site:
    """The shipped configuration with a job service in a folder, and the process that serves it."""

    url: str
    file: Path
    log: Path
    process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start it again."""
        self.process = start([BIN / "antiphon", "serve", str(self.file)], self.log)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Started by Ray's own ``serve run``; whatever runs in the end is interrupted."""
    folder, port = tmp_path_factory.mktemp("site"), free_port()
    config = yaml.safe_load((ROOT / "configs/local.yaml").read_text())
    config["http_options"]["port"] = port
    config["grpc_options"]["port"] = free_port()
    config["applications"][0]["args"]["jobs"] = jobs(str(folder / "jobs"))
    file, log = folder / "serve.yaml", folder / "log"
    file.write_text(yaml.safe_dump(config))
    process = start(
        [BIN / "serve", "run", str(file)], log, RAY_ADDRESS="local", RAY_AUTH_TOKEN="launch-" + "0" * 32
    )
    site = Site(f"http://127.0.0.1:{port}", file, log, process)
    try:
        wait_until(lambda: answers(site.url) or process.poll() is not None, 180)
        assert process.poll() is None, log.read_text()
        yield site
    finally:
        end(site.process, signal.SIGINT)


def start(command: Sequence[str | Path], log: Path, **variables: str) -> subprocess.Popen[bytes]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**environment, "RAY_USAGE_STATS_ENABLED": "0", **variables},
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes], how: signal.Signals | None = None) -> None:
    """Wait until it has ended, by a signal if one is given; kill it if it does not."""
    if how is not None:
        process.send_signal(how)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        kill(process)
        raise


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


def test_ray_serve_runs_the_same_file(site: Site) -> None:
    assert site.process.args[0] == BIN / "serve", "the next test puts another one in its place"
    assert heard(site.url) == "two two three seven five"


async def test_200_jobs_outlive_the_server(site: Site) -> None:
    """Ray's own ``serve run`` is killed, ``antiphon serve`` goes on."""
    with receiver() as (hook, received):
        flock = Flock(site.url, hook, received)
        sending = asyncio.create_task(flock.send(transcriptions=40, classifications=160))
        await flock.reach(150, sending)
        await asyncio.to_thread(kill, site.process)
        site.start()
        await sending
        assert len(flock.sent) == 200
        _, ended = await asyncio.gather(flock.streams(), flock.ended())
        flock.check(ended)
        await flock.check_webhooks()


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
        end(process)
