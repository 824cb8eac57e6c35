"""Watches a starting graph: says what its models are doing, and why it failed if it fails."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from ray import serve
from ray.serve.schema import ServeStatus

from serve_app.config.serve_yaml.load import ServeConfig
from serve_app.failures import StartFailed
from serve_app.launch.placement import waits_to_be_scheduled, why_it_waits

Say = Callable[[str], None]
FAILED = ("DEPLOY_FAILED", "UNHEALTHY")
FAILED_FOR_S = 20.0
PROGRESS_STEP = 0.05


class ReadinessWatch:
    """Polls Serve's own status and every application's ``/readyz``. ``url`` None: no HTTP to be asked."""

    def __init__(self, config: ServeConfig, url: str | None, say: Say) -> None:
        self._config, self._url, self._say = config, url, say
        self._client = httpx.Client(timeout=2, trust_env=False)
        self._width = max(len(model.id) for app in config.applications for model in app.config.models)
        self._about = {
            model.id: f"{model.task}   {model.config.source or ', '.join(model.config.allow)}"
            for app in config.applications
            for model in app.config.models
        }
        self._said: dict[str, tuple[str, float]] = {}
        self._failed_since: float | None = None

    def wait(self, timeout_s: float) -> None:
        """Return when every model is ready. Raises StartFailed."""
        end = time.monotonic() + timeout_s
        while not self._poll():
            if time.monotonic() > end:
                doing = ", ".join(f"{name} is {phase}" for name, (phase, _) in self._said.items())
                raise StartFailed(
                    f"Antiphon was not ready after {timeout_s:g} s: {doing or 'no model was heard of'}."
                )
            time.sleep(0.25)
        self._client.close()

    def _poll(self) -> bool:
        status = serve.status()
        self._check_failures(status)
        running = all(app.status == "RUNNING" for app in status.applications.values())
        if self._url is None:
            for app in status.applications.values():
                healthy = [name for name, state in app.deployments.items() if state.status == "HEALTHY"]
                self._report({name: {"phase": "ready"} for name in healthy if name in self._about})
            return running
        answers = [self._ask(app.route_prefix) for app in self._config.applications if app.route_prefix]
        for answer in answers:
            self._report(answer.get("models") or {})
        self._watch_failed(answers)
        return running and all(answer.get("status") == "ready" for answer in answers)

    def _ask(self, prefix: str) -> Mapping[str, Any]:
        """What ``/readyz`` answers; nothing while it does not."""
        try:
            answer = self._client.get(f"{self._url}{prefix.rstrip('/')}/readyz").json()
        except (httpx.HTTPError, ValueError):
            return {}
        return answer if isinstance(answer, dict) else {}

    def _report(self, models: Mapping[str, Mapping[str, Any]]) -> None:
        for name, state in models.items():
            phase, progress = str(state.get("phase")), float(state.get("progress") or 0.0)
            before, reached = self._said.get(name, ("", 0.0))
            if phase == before and progress < reached + PROGRESS_STEP:
                continue
            self._said[name] = (phase, progress)
            if phase in ("ready", "idle"):
                rest = self._about.get(name, "")
            elif phase in ("downloading", "warming_up") and progress:
                rest = f"{progress:.0%}"
            else:
                rest = str(state.get("detail") or "")
            self._say(f"{name:<{self._width}}   {phase}   {rest}".rstrip())

    def _check_failures(self, status: ServeStatus) -> None:
        """Raise StartFailed if Serve has given up; say what it tries again."""
        for app in status.applications.values():
            for name, state in app.deployments.items():
                if not state.message or state.status in FAILED:
                    continue
                said = (_in_short(state.message), 0.0)
                if self._said.get(f"/{name}") != said:
                    self._said[f"/{name}"] = said
                    self._say(f"{name:<{self._width}}   {said[0]}")
        if any(app.status in FAILED for app in status.applications.values()):
            raise StartFailed(failure(status))

    def _watch_failed(self, answers: list[Mapping[str, Any]]) -> None:
        """Raise StartFailed if a model says for some time that it failed: Serve tries a few times by itself."""
        if not any(answer.get("status") == "failed" for answer in answers):
            self._failed_since = None
            return
        self._failed_since = self._failed_since or time.monotonic()
        if time.monotonic() - self._failed_since > FAILED_FOR_S:
            reasons = [
                f"    {name}: {state.get('detail') or 'it does not say why'}"
                for answer in answers
                for name, state in (answer.get("models") or {}).items()
                if state.get("phase") == "failed"
            ]
            raise StartFailed("\n".join(["Antiphon could not start a model.", *reasons]))


def failure(status: ServeStatus) -> str:
    """One block: what failed, and the last exception of each."""
    blocks: list[str] = []
    for name, app in status.applications.items():
        failed = {each: state for each, state in app.deployments.items() if state.status in FAILED}
        blocks.extend(
            f"The deployment {each} failed:\n{_indented(state.message)}" for each, state in failed.items()
        )
        if app.status in FAILED and not failed:
            blocks.append(f"The application {name} failed:\n{_indented(app.message)}")
    return "\n".join(["Antiphon could not start.", *blocks])


def last_exception(message: str) -> str:
    """The last exception of a traceback without the traceback; any other text as it is."""
    lines = re.sub(r"\x1b\[\d+m", "", message).strip().splitlines()
    traced = [index for index, line in enumerate(lines) if re.match(r'  File "|    \S|\s+[\^~]+$', line)]
    last = lines[traced[-1] + 1 :] if traced else lines
    return re.sub(r"^(?:\w+\.)+(\w+:)", r"\1", "\n".join(last))


def _in_short(message: str) -> str:
    if "Retrying" in message:
        return f"failed, is tried again   {' '.join(last_exception(message).split())}"
    if waits_to_be_scheduled(message):
        return why_it_waits(message)
    return " ".join(message.split())


def _indented(message: str) -> str:
    return "\n".join(f"    {line}" for line in last_exception(message).splitlines()[:20])
