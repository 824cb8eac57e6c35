"""The RunPod worker: seconds from its start to its first result, and cheap jobs per second, for both runtimes.
Beside them the same models under RunPod's SDK as it is by default, with one job at a time.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.serving import ROOT, save
from tests.serve_app.runpod_worker.job_source import JobSource

CONFIG = ROOT / "tests" / "runpod_worker" / "worker.yaml"
OURS = [sys.executable, "-m", "serve_app.runpod_worker", "--config", str(CONFIG), "--runtime"]
PLAIN = [sys.executable, "-m", "benchmarks.runpod_worker", "--plain-worker"]
WAYS = {"ray": ([*OURS, "ray"], 400), "local": ([*OURS, "local"], 400), "SDK's default": (PLAIN, 15)}


def measure(command: list[str], environment: Mapping[str, str], source: JobSource, jobs: int) -> dict[str, float]:
    """One worker's life. The first job waits for it; what it takes to stop is told, too."""
    (first,) = source.give({"id": f"first-{time.time_ns()}", "input": {"prompt": "Hello World"}})
    begin = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            first.output(180)
            cold = time.monotonic() - begin
            begin = time.monotonic()
            name = time.time_ns()
            rows = [{"id": f"{name}-{n}", "input": {"prompt": f"sentence {n}"}} for n in range(jobs)]
            records = source.give(*rows)
            for record in records:
                record.output(180)
            took = time.monotonic() - begin
            family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
            memory = sum(psutil.Process(pid).memory_full_info().pss for pid in family)
            begin = time.monotonic()
            process.terminate()
            process.wait(120)
            stop = time.monotonic() - begin
        finally:
            with suppress(ProcessLookupError):
                process.kill()
    return {
        "cold_start_s": round(cold, 1),
        "jobs_per_s": round(jobs / took, 1),
        "stop_s": round(stop, 1),
        "processes": len(family),
        "pss_mib": round(memory / 2**20),
    }


def plain_worker() -> None:
    """The models in this process under the SDK's own loop, as its guide shows it."""
    from runpod import serverless  # type: ignore[import-untyped]

    from serve_app.config.serve_yaml.load import load
    from serve_app.graph.in_process import InProcess
    from serve_app.runpod_worker.handlers import JobHandler
    from serve_app.runpod_worker.service import Service

    (app,) = load(CONFIG).applications
    service = Service(app.config, InProcess(app.config))

    async def handler(job: dict[str, Any]) -> Any:
        return await JobHandler(service, job).whole(job)

    serverless.start({"handler": handler})
    service.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain-worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain_worker:
        sys.argv[1:] = []
        plain_worker()
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    with JobSource() as source, tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, **source.environment(), "HOME": str(Path(home))}
        environment.setdefault("RUNPOD_DEBUG_LEVEL", "INFO")
        for number in range(options.rounds):
            for name, (command, jobs) in WAYS.items():
                found[name].append(measure(command, environment, source, jobs))
                print(number + 1, name, found[name][-1], flush=True)
    summary = {
        name: {key: statistics.median(row[key] for row in rows) for key in rows[0]} for name, rows in found.items()
    }
    save("runpod_worker", {"jobs": "texts of two words", "summary": summary, "rounds": found})


if __name__ == "__main__":
    main()
