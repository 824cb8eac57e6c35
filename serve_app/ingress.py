"""The ingress deployment: HTTP and gRPC, around a gateway to the models."""

import asyncio
from collections.abc import Mapping
from typing import Any

import ray
from ray import serve

from deployments.calls import Handle
from serve_app.config import AppConfig
from serve_app.gateway import Gateway
from serve_app.grpc.servicer import Servicer
from serve_app.http.app import create_app
from serve_app.keys import ApiKeys
from serve_app.models import ModelIndex


def make_gateway(config: AppConfig, handles: Mapping[str, Handle], states: Handle) -> Gateway:
    """A gateway to the deployments of a graph. Bytes go through Ray's object store if there is a cluster."""
    return Gateway(
        ModelIndex.of(config),
        handles,
        states,
        timeout_s=config.http.request_timeout_s,
        retries=config.http.retries,
        put=ray.put if ray.is_initialized() else lambda value: value,
    )


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

    def __init__(self, config: AppConfig, handles: dict[str, Handle], states: Handle) -> None:
        self._config, self._keys = config, ApiKeys.from_environment()
        self.gateway = make_gateway(config, handles, states)
        super().__init__(self.gateway, config.grpc, self._keys)

    def __serve_build_asgi_app__(self) -> Any:
        """Called by Serve on the replica; the very same factory runs in tests without Serve."""
        return create_app(self.gateway, self._config.http, self._keys, echo_request_id=False)

    async def check_health(self) -> None:
        """Called by Serve."""
        await asyncio.sleep(0)
