"""The shipped configuration by Ray's own ``serve run``, which is killed with 200 jobs on their way, and then by
``antiphon serve``, which goes on with what the other one has left behind.
"""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
import yaml
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from serve_app.grpc.protos.classification_pb2 import ClassifyRequest
from serve_app.grpc.protos.classification_pb2_grpc import ClassificationStub
from tests.e2e.flock import Flock, receiver
from tests.launch.processes import BIN, answers, end, heard, kill, replicas, start
from tests.serving import ROOT, free_port, jobs, wait_until


@dataclass
class Site:
    """The shipped configuration with a job service in a folder, and the process that serves it; what somebody who
    watches its health by gRPC has been told once ``antiphon serve`` has ended.
    """

    url: str
    grpc: str
    file: Path
    log: Path
    process: subprocess.Popen[bytes]
    watcher: ThreadPoolExecutor
    health: Future[list[int]] = field(default_factory=Future)

    def go_on(self) -> None:
        """Start it again, now by ``antiphon serve``, with a log of its own."""
        self.log = self.log.with_name("log of antiphon serve")
        self.health = self.watcher.submit(health, self.grpc)
        self.process = start([BIN / "antiphon", "serve", self.file], self.log)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Started by Ray's own ``serve run``; whatever runs in the end is interrupted."""
    folder, port, grpc_port = tmp_path_factory.mktemp("site"), free_port(), free_port()
    config = yaml.safe_load((ROOT / "configs/local.yaml").read_text())
    config["http_options"]["port"] = port
    config["grpc_options"]["port"] = grpc_port
    config["applications"][0]["args"]["jobs"] = jobs(str(folder / "jobs"))
    file, log = folder / "serve.yaml", folder / "log of serve run"
    file.write_text(yaml.safe_dump(config))
    process = start([BIN / "serve", "run", file], log, RAY_ADDRESS="local", RAY_AUTH_TOKEN="launch-" + "0" * 32)
    with ThreadPoolExecutor(1) as watcher:
        site = Site(f"http://127.0.0.1:{port}", f"127.0.0.1:{grpc_port}", file, log, process, watcher)
        try:
            wait_until(lambda: answers(site.url) or process.poll() is not None, 180)
            assert process.poll() is None, log.read_text()
            yield site
        finally:
            if site.process.poll() is None:
                end(site.process, signal.SIGINT)


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
        site.go_on()
        await sending
        assert len(flock.sent) == 200
        _, ended = await asyncio.gather(flock.streams(), flock.ended())
        flock.check(ended)
        await flock.check_webhooks()


def test_antiphon_serve_says_when_it_is_ready_and_ends_in_peace(site: Site) -> None:
    assert site.process.args[0] == BIN / "antiphon", "the test before has put it there"
    wait_until(lambda: "gRPC listens" in site.log.read_text() or site.process.poll() is not None, 120)
    assert site.process.poll() is None, site.log.read_text()
    assert f"Antiphon listens on {site.url}\n" in site.log.read_text()
    ready = re.findall(r"^(\S+) +ready ", site.log.read_text(), re.MULTILINE)
    assert sorted(ready) == ["sample-asr", "sample-classifier", "sample-tts"]
    assert heard(site.url) == "two two three seven five"
    assert f"gRPC listens on port {site.grpc.split(':')[1]}, for this machine\n" in site.log.read_text()
    assert classified(site.grpc) == "neutral"
    niceness = {replica.nice() for replica in replicas(site.process)}
    assert niceness == {os.nice(0)}, "only threads that compute step back"
    end(site.process, signal.SIGINT)
    assert site.process.returncode == 0
    assert "Traceback" not in site.log.read_text()
    seen = site.health.result()
    not_serving, serving = HealthCheckResponse.NOT_SERVING, HealthCheckResponse.SERVING
    assert seen[:2] == [not_serving, serving]
    assert seen[2:] in ([], [not_serving])


def health(address: str) -> list[int]:
    """What is said to one who watches from before the beginning to the end."""
    seen = []
    with grpc.insecure_channel(address) as channel, contextlib.suppress(grpc.RpcError):
        for answer in HealthStub(channel).Watch(HealthCheckRequest(), wait_for_ready=True, timeout=300):
            seen.append(answer.status)  # noqa: PERF401 - what came before the error stays
    return seen


def classified(address: str) -> str:
    """What the server of an address says by gRPC."""
    with grpc.insecure_channel(address) as channel:
        answer = ClassificationStub(channel).Classify(ClassifyRequest(texts=["good morning"]), timeout=60)
        with pytest.raises(grpc.RpcError, match="larger than max") as caught:
            channel.unary_unary("/service.runsync/runsync")(b"x" * (128 * 1024**2 + 1), timeout=60)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    label: str = answer.results[0].label
    return label


def test_antiphon_serve_stops_with_the_reason(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "configs/local.yaml").read_text())
    broken = tmp_path / "model"
    broken.mkdir()
    (app,) = config["applications"]
    del app["args"]["models"][1:]  # what is not broken need not start
    app["args"]["models"][0]["config"]["source"] = str(broken)
    needed = ("ingress", "runner", "states", "sample-asr")
    app["deployments"] = [entry for entry in app["deployments"] if entry["name"] in needed]
    path, log = tmp_path / "broken.yaml", tmp_path / "log"
    path.write_text(yaml.safe_dump(config))
    process = start([BIN / "antiphon", "serve", path, "--port", "0", "--grpc-port", "0"], log)
    wait_until(lambda: process.poll() is not None, 120)
    end(process)
    assert process.returncode == 1
    text = log.read_text()
    assert "sample-asr" in text
    assert "model.bin" in text
