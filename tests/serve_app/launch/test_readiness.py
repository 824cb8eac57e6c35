"""What is said while a graph starts, and when the wait ends."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serve_app.config.serve_yaml.load import ServeConfig, load
from serve_app.failures import StartFailed
from serve_app.launch.readiness import ReadinessWatch, failure, last_exception
from tests.serve_app.launch.echo_config import CONFIG
from tests.serve_app.launch.test_placement import waiting_message


@pytest.fixture
def config(tmp_path: Path) -> ServeConfig:
    path = tmp_path / "serve.yaml"
    path.write_text(CONFIG)
    return load(path)


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
        self.watch = ReadinessWatch(config, "http://server", self.said.append)
        monkeypatch.setattr("serve_app.launch.readiness.serve.status", self._next)
        monkeypatch.setattr("serve_app.launch.readiness.time.sleep", self._sleep)
        monkeypatch.setattr("serve_app.launch.readiness.time.monotonic", lambda: self.now)
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
    waiting = waiting_message('{"CPU": 1.0}', "{}")
    again = waiting_message('{"CPU": 1.0}', "{}", replicas=2)
    scene.steps = [
        (status(quick=("UPDATING", waiting)), {}),
        (status(quick=("UPDATING", again)), {}),
        (status("RUNNING", quick=("HEALTHY", "")), ready(quick="ready", other_one="ready")),
    ]
    scene.watch.wait(60)
    assert scene.said[0].startswith("quick       waits for a place: ")
    assert "num_cpus" in scene.said[0]
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
