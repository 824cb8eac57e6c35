"""What this folder shares: a cluster (Ray, the graph with the sample models, HTTP and gRPC on free loopback ports)
and a RunPod worker on a Ray of its own.
"""

import contextlib
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.update(
    RAY_AUTH_TOKEN="test-" + "0" * 32,
    RAY_USAGE_STATS_ENABLED="0",
    RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S="1",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
    RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH="serve_app.launch.proxy_answers.middleware",
)

import psutil
import pytest
import ray
from ray import serve

from serve_app.config.app import AppConfig
from serve_app.graph.app import build_graph
from tests.serve_app.runpod_worker.job_source import JobSource
from tests.serve_app.runpod_worker.running import Worker, wait_for, worker
from tests.serving import AUDIO, WEB, asr, classifier, free_port, jobs, tts, wait_until

CONFIG = {
    "models": [
        asr("sample-asr", default=True, aliases=["ivrit-ai/whisper-large-v3-turbo-ct2"]),
        asr(
            "tight",
            aliases=["moderated"],
            classifier="sample-classifier",
            config={"queue_requests": 3, "queue_audio_s": 200, "max_audio_s": 150},
        ),
        asr("lazy", config={"load": "on_demand", "idle_unload_s": 1.0}),
        asr("pair"),
        classifier("sample-classifier", default=True, config={"max_texts": 2_000}),
        tts("sample-tts", default=True),
        tts(
            "tight-tts",
            aliases=["moderated-tts"],
            classifier="sample-classifier",
            refuse={"hate": 0.5},
            config={"queue_requests": 2},
        ),
    ],
    "http": {"upload_bytes": 64 * 1024**2, "request_timeout_s": 120},
    "grpc": {"message_bytes": 8 * 1024**2},
    "fetch": {"allowed_networks": ["127.0.0.1/32"], "max_bytes": 2 * 1024**3},
}
OPTIONS: dict[str, dict[str, Any]] = {
    **{
        name: {
            "ray_actor_options": {"num_cpus": 0},
            "graceful_shutdown_timeout_s": 0,
            "max_ongoing_requests": 512,
        }
        for name in ("sample-asr", "tight", "lazy", "sample-tts", "tight-tts")
    },
    **{
        name: {
            "num_replicas": 2,
            "ray_actor_options": {"num_cpus": 0},
            "graceful_shutdown_timeout_s": 0,
            "max_ongoing_requests": 512,
            "health_check_period_s": 1,
        }
        for name in ("pair", "runner", "sample-classifier")
    },
}


@dataclass(frozen=True)
class Server:
    """A running server: its URL, and the address of its gRPC."""

    url: str
    grpc: str

    def replicas(self, deployment: str) -> list[int]:
        """Process ids of a deployment's live replicas."""
        title = f"ray::ServeReplica:default:{deployment}"
        found = []
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # one may be dying
                if "".join(process.cmdline()[:1]).startswith(title):
                    found.append(process.pid)
        return found

    def kill(self, pid: int) -> None:
        """SIGKILL a replica's process."""
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="package")
def cluster() -> Iterator[None]:
    """Ray in its smallest form."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        ray.init(
            address="local",
            num_cpus=8,
            include_dashboard=False,
            namespace="serve",
            log_to_driver=False,
            object_store_memory=400 * 1024**2,
            _temp_dir=folder,
        )
        yield
        serve.shutdown()
        ray.shutdown()


@pytest.fixture(scope="package")
def server(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """The graph, ready."""
    port, grpc_port = free_port(), free_port()
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": "127.0.0.1", "port": port},
        grpc_options={"port": grpc_port, "grpc_servicer_functions": ["serve_app.grpc:add_services"]},
    )
    folder = str(tmp_path_factory.mktemp("jobs"))
    config = CONFIG | {"jobs": jobs(folder, endpoints={"abc123": {"model": "sample-asr", "http_errors": True}})}
    serve.run(build_graph(AppConfig.model_validate(config), OPTIONS))
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        return WEB.get(f"{url}/readyz").status_code == 200

    wait_until(ready)
    return Server(url, f"127.0.0.1:{grpc_port}")


@pytest.fixture
def audio() -> Callable[[str], Path]:
    """Path of a shipped recording."""
    return lambda name: AUDIO / name


@pytest.fixture(scope="package")
def source() -> Iterator[JobSource]:
    """What the RunPod worker gets its jobs from."""
    with JobSource() as running:
        yield running


@pytest.fixture(scope="package")
def runpod(source: JobSource) -> Iterator[Worker]:
    """A RunPod worker that asks for jobs; it has to end well, too."""
    secret = {"WEBHOOK_SECRET": "secret", "ANTIPHON_API_KEYS": "a-key-that-no-job-has"}
    with worker(environment={**source.environment(), **secret}) as running:
        wait_for(source.polled.is_set, running)
        yield running
        assert running.terminate() == 0, running.output
        assert "Traceback" not in running.output
