"""The launcher with a tiny graph: what it says while it waits, why it stops, and that it leaves nothing behind."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.serve_app.launch.echo_config import CONFIG
from tests.serving import ROOT, WEB


@pytest.fixture
def config_file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "serve.yaml"
    path.write_text(CONFIG.replace("DESCRIPTION", getattr(request, "param", "slow")))
    return path


@pytest.fixture
def ray_folder() -> Iterator[str]:
    """A short one: paths of Unix sockets end at 107 bytes."""
    folder = tempfile.mkdtemp(prefix="ray")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(config_file: Path, ray_folder: str) -> Iterator[subprocess.Popen[str]]:
    """The launcher with the echo graph of ``echo_server.py``, in a process of its own."""
    variables = {**os.environ, "RAY_TMPDIR": ray_folder, "RAY_AUTH_TOKEN": "t" * 32, "RAY_AUTH_MODE": "token"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.launch.echo_server", str(config_file), "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=variables,
    )
    with process:
        yield process
        process.kill()


def leftovers(ray_folder: str) -> list[str]:
    return [
        p.info["name"] for p in psutil.process_iter(["name", "cmdline"]) if ray_folder in str(p.info["cmdline"])
    ]


def answers_until_the_end(url: str) -> Iterator[httpx.Response]:
    """What a client gets that asks again and again, each time anew, until nobody listens."""
    with contextlib.suppress(httpx.TransportError):
        while True:
            yield httpx.get(url, timeout=60, trust_env=False)
            time.sleep(0.1)


def test_it_says_when_models_are_ready_and_ends_in_peace(server: subprocess.Popen[str], ray_folder: str) -> None:
    assert server.stdout is not None
    assert server.stderr is not None
    said = []
    for line in server.stdout:
        said.append(line.rstrip())
        if "listens" in line:
            break
    assert "quick       ready   transcription   samples/asr/model" in said
    assert "other-one   ready   transcription   org/*" in said
    assert said[-1].startswith("Antiphon listens on http://127.0.0.1:")
    url = said[-1].split()[-1]
    assert WEB.get(f"{url}/hello").json() == {"path": "/hello"}
    assert leftovers(ray_folder), "or the search is wrong"
    with ThreadPoolExecutor(1) as pool:
        begun = pool.submit(WEB.get, f"{url}/slow", timeout=60)
        time.sleep(1)
        server.terminate()
        refused = [answer for answer in answers_until_the_end(f"{url}/v1/models") if answer.status_code != 200]
        assert begun.result().json() == {"path": "/slow"}
    assert refused
    for answer in refused:
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "server_unavailable")
        assert (answer.headers["retry-after"], answer.headers["x-should-retry"]) == ("5", "true")
    assert server.wait(60) == 0
    assert server.stdout.read() == "Antiphon stops. A second signal ends it at once.\n"
    assert server.stderr.read() == ""
    assert not leftovers(ray_folder)


@pytest.mark.parametrize("config_file", ["fail"], indirect=True)
def test_a_model_that_fails_ends_it_with_the_reason(server: subprocess.Popen[str], ray_folder: str) -> None:
    out, err = server.communicate(timeout=120)
    assert server.returncode == 1
    assert "other-one   failed, is tried again   ModelUnavailable: The weights are gone. They were here" in out
    assert "listens" not in out
    block, _, logs = err.partition("Logs: ")
    assert block == (
        "\nAntiphon could not start.\n"
        "The deployment other-one failed:\n"
        "    ModelUnavailable: The weights are gone.\n"
        "    They were here yesterday.\n"
    )
    assert Path(logs.strip()).is_dir()
    assert not leftovers(ray_folder)
