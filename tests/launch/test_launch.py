"""The shipped configuration, started as users start it, by ``antiphon serve``."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import grpc
import httpx
import psutil
import pytest
import yaml
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from serve_app.grpc.protos.classification_pb2 import ClassifyRequest
from serve_app.grpc.protos.classification_pb2_grpc import ClassificationStub
from tests.serving import AUDIO, ROOT, WEB, free_port, wait_until

BIN = Path(sys.executable).parent
DEPLOYMENTS = ("ingress", "runner", "states", "sample-asr")


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server in its own process group, interrupted at the end, killed if it does not end."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environment |= {"RAY_ADDRESS": "local", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN": "launch-" + "0" * 32}
    out: IO[bytes]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


def answers(url: str) -> bool:
    try:
        return WEB.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def heard(url: str) -> str:
    with (AUDIO / "utt01.wav").open("rb") as file:
        answer = WEB.post(f"{url}/v1/audio/transcriptions", files={"file": file}, timeout=60)
    text: str = answer.raise_for_status().json()["text"]
    return text


def is_replica(process: psutil.Process) -> bool:
    return "".join(process.cmdline()[:1]).startswith("ray::ServeReplica")


def classified(log: str) -> str:
    """What the server of a log says by gRPC."""
    (port,) = re.findall(r"^gRPC listens on port (\d+), for this machine$", log, re.MULTILINE)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = ClassificationStub(channel).Classify(ClassifyRequest(texts=["good morning"]), timeout=60)
        with pytest.raises(grpc.RpcError, match="larger than max") as caught:
            channel.unary_unary("/service.runsync/runsync")(b"x" * (128 * 1024**2 + 1), timeout=60)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    label: str = answer.results[0].label
    return label


def health(port: int) -> list[int]:
    """What is said to one who watches from before the beginning to the end."""
    seen = []
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, contextlib.suppress(grpc.RpcError):
        for answer in HealthStub(channel).Watch(HealthCheckRequest(), wait_for_ready=True, timeout=300):
            seen.append(answer.status)  # noqa: PERF401 - what came before the error stays
    return seen


def test_antiphon_serve_says_when_it_is_ready(tmp_path: Path) -> None:
    port, grpc_port, log = free_port(), free_port(), tmp_path / "log"
    url = f"http://127.0.0.1:{port}"
    ports = ["--port", str(port), "--grpc-port", str(grpc_port)]
    command = [str(BIN / "antiphon"), "serve", "configs/local.yaml", *ports]
    with ThreadPoolExecutor(1) as pool, running(command, log) as process:
        seen = pool.submit(health, grpc_port)
        wait_until(lambda: f"Antiphon listens on {url}" in log.read_text() or process.poll() is not None, 120)
        wait_until(lambda: "gRPC listens" in log.read_text() or process.poll() is not None, 10)
        assert process.poll() is None, log.read_text()
        ready = re.findall(r"^(\S+) +ready ", log.read_text(), re.MULTILINE)
        assert sorted(ready) == ["sample-asr", "sample-classifier", "sample-tts"]
        assert answers(url)
        assert heard(url) == "two two three seven five"
        assert classified(log.read_text()) == "neutral"
        replicas = [child for child in psutil.Process(process.pid).children(recursive=True) if is_replica(child)]
        assert {child.nice() for child in replicas} == {os.nice(0)}, "only threads that compute step back"
    assert process.returncode == 0
    assert "Traceback" not in log.read_text()
    not_serving, serving = HealthCheckResponse.NOT_SERVING, HealthCheckResponse.SERVING
    assert seen.result()[:2] == [not_serving, serving]
    assert seen.result()[2:] in ([], [not_serving])


def test_antiphon_serve_stops_with_the_reason(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "configs/local.yaml").read_text())
    broken = tmp_path / "model"
    broken.mkdir()
    (app,) = config["applications"]
    del app["args"]["models"][1:]  # what is not broken need not start
    app["args"]["models"][0]["config"]["source"] = str(broken)
    app["deployments"] = [entry for entry in app["deployments"] if entry["name"] in DEPLOYMENTS]
    path, log = tmp_path / "broken.yaml", tmp_path / "log"
    path.write_text(yaml.safe_dump(config))
    command = [str(BIN / "antiphon"), "serve", str(path), "--port", "0", "--grpc-port", "0"]
    with running(command, log) as process:
        wait_until(lambda: process.poll() is not None, 120)
    assert process.returncode == 1
    text = log.read_text()
    assert "sample-asr" in text
    assert "model.bin" in text
