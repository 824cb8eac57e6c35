"""A gateway connected to the deployments of a graph: Ray's calls, Ray's object store."""

from collections.abc import Mapping

import ray

from deployments.calls import Calls
from deployments.handle import Handle
from serve_app.config.app import AppConfig
from serve_app.gateway.gateway import Gateway
from serve_app.gateway.model_index import ModelIndex


def make_gateway(
    config: AppConfig,
    handles: Mapping[str, Handle],
    states: Handle,
    *,
    timed: bool = True,
    raw_errors: bool = False,
) -> Gateway:
    """A gateway to ``handles``, by a model's id, and to the board of states.

    ``timed`` False: requests may take any time. ``raw_errors``: as for ``Calls``. Bytes go through Ray's object
    store if there is a cluster.
    """
    return Gateway(
        ModelIndex.of(config),
        {
            model: Calls(handle, model, config.http.retries, raw_errors=raw_errors)
            for model, handle in handles.items()
        },
        states,
        timeout_s=config.http.request_timeout_s if timed else None,
        put=ray.put if ray.is_initialized() else lambda value: value,
    )
