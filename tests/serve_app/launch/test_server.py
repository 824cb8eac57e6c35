"""The launcher before anything starts: ports, graphs, the environment."""

import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from serve_app.config.serve_yaml.load import ServeConfig, load
from serve_app.failures import StartFailed
from serve_app.launch import environment, server
from serve_app.launch.server import ServerOptions, free_port, run, spelled_url
from tests.serve_app.launch.echo_config import CONFIG

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def config(tmp_path: Path) -> ServeConfig:
    path = tmp_path / "serve.yaml"
    path.write_text(CONFIG)
    return load(path)


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


def test_a_signal_while_it_stops_ends_it_at_once(config: ServeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object) -> Any:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as Ray puts a handler of its own there
        raise RuntimeError("no graph today")

    def leave(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(server, "shut_down", lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit, match="143"):
        run(config, ServerOptions(port=0), build=build)


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
