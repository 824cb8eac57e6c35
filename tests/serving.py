"""Sample models in configurations of servers that tests start, and what it takes to wait for those."""

import atexit
import shutil
import socket
import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
AUDIO = ROOT / "samples" / "asr" / "testset"
VOICES = tempfile.mkdtemp(prefix="voices-")
atexit.register(shutil.rmtree, VOICES, ignore_errors=True)
# For servers on this machine; a connection for every request. Reading the usual certificates takes longer than
# most of what is asked for.
WEB = httpx.Client(
    verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    trust_env=False,
)
ENGINE = {"device": "cpu", "compute_type": "int8", "workers": 2, "threads": 1, "max_batch_windows": 4}


def asr(name: str, **entry: Any) -> dict[str, Any]:
    """A model entry with the sample model; ``config`` keys given besides are merged in."""
    config = {"source": str(ROOT / "samples/asr/model"), "engine": ENGINE, **entry.pop("config", {})}
    return {"id": name, "config": config, **entry}


def classifier(name: str, **entry: Any) -> dict[str, Any]:
    """The same for the sample classifier."""
    config = {"source": str(ROOT / "samples/classifier/model"), **entry.pop("config", {})}
    return {"id": name, "family": "text_classification", "config": config, **entry}


def tts(name: str, **entry: Any) -> dict[str, Any]:
    """The same for the sample voice, with a library that is empty at first."""
    config = {
        "source": str(ROOT / "samples/tts/model"),
        "default_voice": "slt",
        "voices": {"library": VOICES, "shipped": [str(ROOT / "samples/tts/voices")]},
        **entry.pop("config", {}),
    }
    return {"id": name, "family": "fish_speech", "config": config, **entry}


def jobs(folder: str, **settings: Any) -> dict[str, Any]:
    """The section ``jobs`` for a job service in a folder. A job is begun once for each of the two runners that are
    killed under it, once to end, and once more if a machine is so busy that a live runner loses its lease.
    """
    webhooks = {"allowed_networks": ["127.0.0.0/8"]}
    return {"folder": folder, "lease_s": 4, "attempts": 4, "webhooks": webhooks, **settings}


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Poll until the condition holds; fail after the given time."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "the condition did not come true"
        time.sleep(0.05)
