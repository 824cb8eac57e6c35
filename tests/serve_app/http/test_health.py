"""Probes."""

import pytest

from deployments.model_state import ModelState
from tests.serve_app.http.stub import (
    StubGateway,
    app_of,
    client_of,
)

LOADING = ModelState("downloading", 0.25, "3 of 12 files")


@pytest.mark.parametrize(
    ("states", "readyz", "ping", "status"),
    [
        ({"large": ModelState("ready"), "guard": ModelState("idle")}, 200, 200, "ready"),
        ({"large": ModelState("ready"), "guard": LOADING}, 503, 204, "starting"),
        ({"large": LOADING, "guard": ModelState("failed", detail="no such file")}, 503, 503, "failed"),
    ],
)
async def test_probes(states: dict[str, ModelState], readyz: int, ping: int, status: str) -> None:
    gateway = StubGateway()
    gateway.found = states
    async with client_of(app_of(gateway)) as client:
        alive, ready, pong = [await client.get(path) for path in ("/healthz", "/readyz", "/ping")]
        assert (await client.head("/healthz")).status_code == 200
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()["status"]) == (readyz, status)
    assert {name: state["phase"] for name, state in ready.json()["models"].items()} == {
        name: state.phase for name, state in states.items()
    }
    assert pong.status_code == ping
    if ping == 204:
        assert pong.content == b""


async def test_readyz_tells_the_progress_and_the_queue() -> None:
    """Queues are seconds of audio or tokens, whatever the model's work is measured in."""
    gateway = StubGateway()
    gateway.found = {
        "large": LOADING,
        "guard": ModelState("ready", queued=512.0, active_requests=3),
    }
    async with client_of(app_of(gateway)) as client:
        body = (await client.get("/readyz")).json()
    assert body["models"] == {
        "large": {
            "phase": "downloading",
            "progress": 0.25,
            "detail": "3 of 12 files",
            "queued_audio_s": 0.0,
            "active_requests": 0,
        },
        "guard": {
            "phase": "ready",
            "progress": None,
            "detail": "",
            "queued_tokens": 512.0,
            "active_requests": 3,
        },
    }
