"""The Ray Serve deployment that runs jobs. Any number of replicas, on every node that sees the database."""

import socket
import uuid

from ray import serve

from deployments.handle import Handle
from deployments.replica_log import quiet_client_errors
from serve_app.config.app import AppConfig
from serve_app.graph.connect import make_gateway
from serve_app.http.app import create_app
from serve_app.jobs.outputs import Outputs
from serve_app.jobs.runner import Runner
from serve_app.jobs.storage.store import JobStore
from serve_app.jobs.webhooks.sender import Sender
from serve_app.jobs.webhooks.signature import read_secrets
from serve_app.keys import ApiKeys


@serve.deployment(
    name="runner",
    max_ongoing_requests=1_000,
    health_check_period_s=5,
    graceful_shutdown_timeout_s=10,
    ray_actor_options={"num_cpus": 0},
)
class JobRunner:
    """A runner with the models' handles. Its requests are only nudges; the jobs come from the database."""

    async def __init__(self, config: AppConfig, handles: dict[str, Handle], states: Handle) -> None:  # type: ignore[misc]  # Serve awaits it
        assert config.jobs is not None
        quiet_client_errors()
        gateway = make_gateway(config, handles, states)
        store = JobStore.open(config.jobs)
        networks = config.fetch.allowed_networks
        self._runner = Runner(
            f"{socket.gethostname()[:40]}-{uuid.uuid4().hex[:8]}",
            config.jobs,
            store,
            Outputs(config.jobs.publish, networks),
            gateway,
            create_app(gateway, config.http, ApiKeys()),
            Sender(store.database, config.jobs.webhooks, read_secrets()),
            upload_bytes=config.http.upload_bytes,
        )
        self._runner.start()

    async def wake(self, cancelled: bool) -> None:
        """There is a new job, or one was cancelled."""
        self._runner.wake(cancelled=cancelled)

    async def work(self, job_id: str) -> None:
        """There is a new job; returns when this replica has ended its work on it."""
        await self._runner.work(job_id)

    async def check_health(self) -> None:
        """Called by Serve; an exception replaces the replica."""
        self._runner.check()

    async def __del__(self) -> None:
        """Called and awaited by Serve at a graceful end."""
        await self._runner.close()
