"""What the benchmarks share: a server of their own, the machine's name, results on disk."""

import contextlib
import datetime
import json
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
AUDIO = ROOT / "samples" / "asr" / "testset"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def server(
    model: str = "sample-asr", *, jobs: bool = False, **changes: Any
) -> Iterator[tuple[str, psutil.Process]]:
    """``antiphon serve`` with one model of configs/local.yaml, whose config takes ``changes``.

    Yields the base URL and the server's process; it is stopped at the end.
    """
    config = yaml.safe_load((ROOT / "configs/local.yaml").read_text())
    config.pop("grpc_options", None)
    (application,) = config["applications"]
    arguments = application["args"]
    arguments["fetch"] = {"allowed_networks": ["127.0.0.1/32"]}
    arguments["models"] = [entry for entry in arguments["models"] if entry["id"] == model]
    arguments["models"][0]["config"].update(changes)
    kept = {"ingress", "states", model} | ({"runner"} if jobs else set())
    application["deployments"] = [entry for entry in application["deployments"] if entry["name"] in kept]
    with tempfile.TemporaryDirectory() as folder:
        del arguments["jobs"]
        if jobs:
            arguments["jobs"] = {"folder": f"{folder}/jobs", "rate_limits": False}
        path = Path(folder) / "bench.yaml"
        path.write_text(yaml.safe_dump(config))
        port = free_port()
        antiphon = str(Path(sys.executable).with_name("antiphon"))
        command = [antiphon, "serve", str(path), "--port", str(port)]
        log = (Path(folder) / "log").open("w+")
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        url = f"http://127.0.0.1:{port}"
        try:
            limit = time.monotonic() + 180
            while not _ready(url):
                if process.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError((Path(folder) / "log").read_text())
                time.sleep(0.1)
            yield url, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(60)
            log.close()


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def replica(process: psutil.Process, deployment: str = "sample-asr") -> psutil.Process:
    """The process of a deployment's replica."""
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if f":{deployment}" in "".join(child.cmdline()[:1]):
                return child
    raise LookupError(deployment)


def machine() -> dict[str, Any]:
    """Where a figure was measured."""
    names = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def save(name: str, result: dict[str, Any]) -> Path:
    """Write a result beside the scripts and say where."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), **result}, indent=1) + "\n")
    print(f"written: {path.relative_to(ROOT)}")
    return path
