"""The ingress deployment: HTTP and gRPC, around a gateway to the models."""

import asyncio
from typing import Any

from ray import serve

from deployments.handle import Handle
from serve_app.config.app import AppConfig
from serve_app.graph.connect import make_gateway
from serve_app.grpc.servicer import Servicer
from serve_app.http.app import create_app
from serve_app.jobs.runner_client import RunnerClient
from serve_app.jobs.service import JobService
from serve_app.jobs.storage.store import JobStore
from serve_app.keys import ApiKeys


@serve.deployment(
    name="ingress",
    max_ongoing_requests=1_000,
    max_surge_percent=100,
    ray_actor_options={"num_cpus": 0},
    logging_config={"enable_access_log": False},  # the application writes its own, with more in it
)
@serve.ingress()
class Ingress(Servicer):
    """Speaks HTTP, and gRPC by the methods of its base. Nothing in it depends on a model family; the entrances
    under ``http`` and ``grpc`` do.
    """

    def __init__(
        self, config: AppConfig, handles: dict[str, Handle], states: Handle, runner: Handle | None = None
    ) -> None:
        self._config, self._keys = config, ApiKeys.from_environment()
        self.gateway = make_gateway(config, handles, states)
        self._jobs = None
        if config.jobs is not None and runner is not None:
            store = JobStore.open(config.jobs)
            self._jobs = JobService(config.jobs, store, self.gateway, RunnerClient(runner))
        super().__init__(self.gateway, config.grpc, self._keys)

    def __serve_build_asgi_app__(self) -> Any:
        """Called by Serve on the replica; the very same factory runs in tests without Serve."""
        limits = None if self._jobs is None else self._config.jobs
        return create_app(
            self.gateway,
            self._config.http,
            self._keys,
            jobs=self._jobs,
            jobs_config=limits,
            echo_request_id=False,
        )

    async def check_health(self) -> None:
        """Called by Serve."""
        await asyncio.sleep(0)
