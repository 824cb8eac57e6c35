"""The worker as a program."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).parents[3]
CONFIG = Path(__file__).parent / "worker.yaml"
AUDIO = ROOT / "samples" / "asr" / "testset"
START_S = 120.0


def config_without_classifier(folder: Path) -> Path:
    """The tests' configuration with one model, which needs no PyTorch and so starts sooner."""
    config = yaml.safe_load(CONFIG.read_text())
    (app,) = config["applications"]
    app["args"]["models"] = [entry for entry in app["args"]["models"] if entry["id"] == "sample-asr"]
    others = ("sample-classifier", "sample-tts")
    app["deployments"] = [entry for entry in app["deployments"] if entry["name"] not in others]
    app["args"]["models"][0]["config"]["source"] = str(ROOT / "samples" / "asr" / "model")
    path = folder / "one.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


class Worker:
    """A running one with its output."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None, cwd: Path = ROOT) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the worker
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("RUNPOD_", "RAY_", "PORT"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "serve_app.runpod_worker", "--config", str(CONFIG), *arguments],
            cwd=cwd,
            env={**inherited, "PYTHONPATH": str(ROOT), **(environment or {})},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        """What it has printed."""
        self._log.seek(0)
        return self._log.read()

    def family(self) -> list[psutil.Process]:
        """Its process and all that it has started."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.process.pid)
            return [process, *process.children(recursive=True)]
        return []

    def runs(self, name: str) -> Iterator[psutil.Process]:
        """Its processes with this name in their command."""
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                if name in " ".join(process.cmdline()):
                    yield process

    def terminate(self, timeout_s: float = 60) -> int:
        """SIGTERM; the exit status, once none of its processes is left."""
        family = self.family()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout_s)
        _, left = psutil.wait_procs(family, 15)
        assert not [process for process in left if process.is_running() and process.status() != "zombie"]
        return status

    def close(self) -> None:
        """Kill what is left of it."""
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(10)
        self._log.close()


@contextlib.contextmanager
def worker(*arguments: str, environment: Mapping[str, str] | None = None, **more: Any) -> Iterator[Worker]:
    """One for the time of a block."""
    running = Worker(*arguments, environment=environment, **more)
    try:
        yield running
    finally:
        running.close()


def wait_for(condition: Callable[[], Any], running: Worker | None = None, seconds: float = START_S) -> Any:
    """What the condition gives, once that is something."""
    limit = time.monotonic() + seconds
    while not (found := condition()):
        assert running is None or running.process.poll() is None, running.output
        assert time.monotonic() < limit, running.output if running else "the condition did not come true"
        time.sleep(0.02)
    return found
