"""Servers in process groups of their own: how they are started, asked, interrupted and killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import psutil

from tests.serving import AUDIO, ROOT, WEB

BIN = Path(sys.executable).parent


def start(command: Sequence[str | Path], log: Path, **variables: str) -> subprocess.Popen[bytes]:
    """A process that writes on at the end of a log, and knows nothing of the Ray of these tests."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**environment, "RAY_USAGE_STATS_ENABLED": "0", **variables},
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes], how: signal.Signals | None = None) -> None:
    """Wait until it has ended, by a signal if one is given; kill it if it does not."""
    assert process.stdin is not None
    process.stdin.close()
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
    assert process.stdin is not None
    process.stdin.close()
    psutil.wait_procs(family, timeout=30)


def replicas(process: subprocess.Popen[bytes], deployment: str = "") -> list[psutil.Process]:
    """The processes of a deployment's replicas, or of all."""
    living = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            kind, _, name = "".join(child.cmdline()[:1]).partition("::ServeReplica:")
            if kind == "ray" and name.partition(":")[2].startswith(deployment):
                living.append(child)
        except psutil.NoSuchProcess:
            continue
    return living


def answers(url: str) -> bool:
    """Whether every model there is ready."""
    try:
        return WEB.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def heard(url: str) -> str:
    """What is heard there in a recording of five digits."""
    with (AUDIO / "utt01.wav").open("rb") as file:
        answer = WEB.post(f"{url}/v1/audio/transcriptions", files={"file": file}, timeout=60)
    text: str = answer.raise_for_status().json()["text"]
    return text
