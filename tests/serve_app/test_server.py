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
from types import SimpleNamespace
from typing import Any

import httpx
import psutil
import pytest

from serve_app import environment
from serve_app.readiness import StartFailed, Watch, failure, last_exception
from serve_app.serve_config import ServeConfig, load
from serve_app.server import ServerOptions, free_port, run, spelled_url

PROJECT = Path(__file__).parents[2]
CONFIG = """
proxy_location: HeadOnly
http_options: {host: 127.0.0.1}
applications:
  - name: echo
    import_path: serve_app:build
    args:
      models:
        - {id: quick, config: {source: samples/asr/model}}
        - {id: other-one, description: DESCRIPTION, config: {allow: ["org/*"], load: on_demand}}
    deployments:
      - {name: quick, ray_actor_options: {num_cpus: 0}, graceful_shutdown_timeout_s: 1}
      - {name: other-one, ray_actor_options: {num_cpus: 0}, graceful_shutdown_timeout_s: 1}
"""


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
        [sys.executable, "-m", "tests.serve_app.echo_server", str(config_file), "0"],
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
    assert capsys.readouterr() == ("", said)
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


def status(app: str = "DEPLOYING", message: str = "", **deployments: tuple[str, str]) -> Any:
    """What Serve says of the application, and the status and message of its deployments."""
    found = {
        name.replace("_", "-"): SimpleNamespace(status=state, message=said)
        for name, (state, said) in deployments.items()
    }
    application = SimpleNamespace(status=app, message=message, deployments=found)
    return SimpleNamespace(applications={"echo": application})


class Scene:
    """A watch over a server whose answers the test writes."""

    def __init__(self, config: ServeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[str] = []
        self.steps: list[tuple[Any, dict[str, Any]]] = []
        self.now = 0.0
        self.watch = Watch(config, "http://server", self.said.append)
        monkeypatch.setattr("serve_app.readiness.serve.status", self._next)
        monkeypatch.setattr("serve_app.readiness.time.sleep", self._sleep)
        monkeypatch.setattr("serve_app.readiness.time.monotonic", lambda: self.now)
        monkeypatch.setattr(self.watch, "_ask", lambda prefix: self._answer)

    def _next(self) -> Any:
        found, self._answer = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        return found

    def _sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def scene(config: ServeConfig, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(config, monkeypatch)


def ready(**models: Any) -> dict[str, Any]:
    states = {
        name.replace("_", "-"): state if isinstance(state, dict) else {"phase": state}
        for name, state in models.items()
    }
    done = all(state["phase"] in ("ready", "idle") for state in states.values())
    return {"status": "ready" if done else "starting", "models": states}


def test_progress_is_told_once_per_step(scene: Scene) -> None:
    def downloading(progress: float | None) -> dict[str, Any]:
        return {"phase": "downloading", "progress": progress, "detail": "hf://org/name@main"}

    scene.steps = [
        (status(), {}),
        (status(), ready(quick="starting", other_one="idle")),
        *((status(), ready(quick=downloading(p), other_one="idle")) for p in (None, 0.01, 0.06, 0.08, 0.5)),
        (status(), ready(quick={"phase": "loading", "detail": ""}, other_one="idle")),
        (status(), ready(quick="ready", other_one="idle")),
        (status("RUNNING"), ready(quick="ready", other_one="idle")),
    ]
    scene.watch.wait(60)
    assert scene.said == [
        "quick       starting",
        "other-one   idle   transcription   org/*",
        "quick       downloading   hf://org/name@main",
        "quick       downloading   6%",
        "quick       downloading   50%",
        "quick       loading",
        "quick       ready   transcription   samples/asr/model",
    ]


def test_what_serve_says_about_a_deployment_is_passed_on(scene: Scene) -> None:
    waiting = "Deployment 'quick' has 1 replicas that\nhave taken more than 30s to be scheduled."
    scene.steps = [
        (status(quick=("UPDATING", waiting)), {}),
        (status(quick=("UPDATING", waiting)), {}),
        (status("RUNNING", quick=("HEALTHY", "")), ready(quick="ready", other_one="ready")),
    ]
    scene.watch.wait(60)
    assert scene.said[0] == (
        "quick       Deployment 'quick' has 1 replicas that have taken more than 30s to be scheduled."
    )
    assert len(scene.said) == 3


def test_a_model_that_stays_failed_ends_the_wait(scene: Scene) -> None:
    failed = {"phase": "failed", "detail": "no such revision"}
    scene.steps = [(status(), {"status": "failed", "models": {"quick": failed}})]
    with pytest.raises(StartFailed, match=r"could not start a model\.\n    quick: no such revision"):
        scene.watch.wait(600)
    assert 20 < scene.now < 25


def test_the_wait_has_an_end(scene: Scene) -> None:
    scene.steps = [(status(), ready(quick={"phase": "loading"}, other_one="idle"))]
    with pytest.raises(StartFailed, match="not ready after 60 s: quick is loading, other-one is idle"):
        scene.watch.wait(60)


def test_a_failure_is_told_without_its_traceback() -> None:
    traced = (
        "The deployment failed to start 3 times in a row. Error:\n"
        "\x1b[36mray::ServeReplica:a:quick.init()\x1b[39m (pid=1)\n"
        '  File "replica.py", line 1, in result\n'
        "    return self\n"
        "           ^^^^\n"
        "RuntimeError: Traceback (most recent call last):\n"
        '  File "engine.py", line 14, in __init__\n'
        '    raise ModelUnavailable("gone")\n'
        "deployments.errors.ModelUnavailable: It is gone.\n"
        "  Look elsewhere.\n"
    )
    assert last_exception(traced) == "ModelUnavailable: It is gone.\n  Look elsewhere."
    assert last_exception("Just a sentence.") == "Just a sentence."
    said = failure(
        status("DEPLOY_FAILED", "Failed to update.", quick=("DEPLOY_FAILED", traced), other=("HEALTHY", ""))
    )
    assert said == (
        "Antiphon could not start.\n"
        "The deployment quick failed:\n"
        "    ModelUnavailable: It is gone.\n"
        "      Look elsewhere."
    )
    assert failure(status("DEPLOY_FAILED", "No such import.")) == (
        "Antiphon could not start.\nThe application echo failed:\n    No such import."
    )


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
