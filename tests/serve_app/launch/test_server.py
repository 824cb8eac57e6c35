"""The launcher: what it says while it waits, why it stops, and that it leaves nothing behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from serve_app.config.serve_yaml.load import ServeConfig, load
from serve_app.failures import StartFailed
from serve_app.launch import environment
from serve_app.launch.server import ServerOptions, free_port, run, spelled_url
from tests.serve_app.launch.echo_config import CONFIG

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def config_file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "serve.yaml"
    path.write_text(CONFIG.replace("DESCRIPTION", getattr(request, "param", "slow")))
    return path


@pytest.fixture
def config(config_file: Path) -> ServeConfig:
    return load(config_file)


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
        [sys.executable, "-m", "tests.serve_app.launch.echo_server", str(config_file), "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env=variables,
    )
    with process:
        yield process
        process.kill()


def leftovers(ray_folder: str) -> list[str]:
    return [
        p.info["name"] for p in psutil.process_iter(["name", "cmdline"]) if ray_folder in str(p.info["cmdline"])
    ]


@pytest.mark.slow
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
    assert httpx.get(f"{url}/hello", trust_env=False).json() == {"path": "/hello"}
    assert leftovers(ray_folder), "or the search is wrong"
    server.terminate()
    assert server.wait(60) == 0
    assert server.stdout.read() == "Antiphon stops. A second signal ends it at once.\n"
    assert server.stderr.read() == ""
    assert not leftovers(ray_folder)


@pytest.mark.slow
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


def test_a_taken_port_is_found_before_anything_starts(
    config: ServeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(config, ServerOptions(port=port)) == 1
    said = f"\nAnother program listens on port {port} of 127.0.0.1. Stop it, or choose another --port.\n"
    assert capsys.readouterr() == ("Antiphon starts; this takes some seconds.\n", said)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_graph_that_cannot_be_built_is_a_reason(config: ServeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    def build(*_: object) -> Any:
        raise RuntimeError("no graph today")

    assert run(config, ServerOptions(port=0), build=build) == 1
    assert capsys.readouterr().err == "\nThe graph could not be built.\n    RuntimeError: no graph today\n"


def test_a_port_is_free_or_a_sentence() -> None:
    assert free_port("127.0.0.1", 0) > 1023
    with pytest.raises(StartFailed, match=r"192\.0\.2\.1 is no address of this machine"):
        free_port("192.0.2.1", 8000)


def test_urls_are_spelled() -> None:
    http = {"host": "::1", "port": 8000, "root_path": "/base", "ssl_certfile": None}
    assert spelled_url(http) == "http://[::1]:8000/base"
    assert spelled_url({**http, "host": "h", "ssl_certfile": "x"}) == "https://h:8000/base"


def test_the_environment_is_prepared_but_never_overruled(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*environment.DEFAULTS, *environment.OWN_TOKEN):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    environment.prepare(new_cluster=False)
    assert "RAY_AUTH_TOKEN" not in os.environ
    environment.prepare(new_cluster=True)
    token = os.environ["RAY_AUTH_TOKEN"]
    assert len(token) == 64
    assert os.environ["RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S"] == "1"
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    environment.prepare(new_cluster=True)
    assert os.environ["RAY_AUTH_TOKEN"] == token
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"
