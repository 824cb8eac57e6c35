"""Ray and the graph, all on this machine: what ``antiphon serve`` does, for a process that RunPod's SDK runs."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import ray
from ray import serve

from serve_app.config.serve_yaml.load import ServeConfig
from serve_app.failures import StartFailed
from serve_app.gateway.gateway import Gateway
from serve_app.graph.app import build_graph
from serve_app.graph.connect import make_gateway
from serve_app.launch.readiness import ReadinessWatch, Say, last_exception
from serve_app.launch.shutdown import shut_down
from serve_app.runpod_worker.machine import Resources

T = TypeVar("T")

# Loopback, so that a worker may be frozen and go on with another address. Ray replaces 127.0.0.1 by the machine's.
NODE = "127.0.0.2"
LOOK_S, LOST_AFTER_S = 5.0, 60.0


class Cluster:
    """A Ray of our own with the graph of one configuration. ``port`` is that of HTTP on loopback, None for none.

    The ingress is deployed either way: it is the root of the graph, and costs a process.
    """

    def __init__(
        self,
        config: ServeConfig,
        resources: Resources,
        *,
        port: int | None,
        ready_timeout_s: float,
        say: Say,
    ) -> None:
        (self._app,) = config.applications
        self._config, self._resources, self._port = config, resources, port
        self._ready_timeout_s, self._say = ready_timeout_s, say
        # Ray's processes die with the thread that has started them, so it lives as long as they do.
        # It is also the only one to ask Serve anything: asked after its end, Serve would start another Ray.
        self._thread = ThreadPoolExecutor(1, "ray")
        self._closing = threading.Event()

    async def start(self) -> Gateway:
        """The gateway to the models, which are loading. Raises StartFailed."""
        return await self._call(self._start)

    async def ready(self) -> None:
        """Return when every model is ready. Raises StartFailed."""
        location = "Disabled" if self._port is None else "HeadOnly"
        watched = replace(self._config, proxy_location=location)
        url = None if self._port is None else f"http://127.0.0.1:{self._port}"
        watch = _StoppableWatch(watched, url, self._say)
        watch.closing = self._closing
        await self._call(lambda: watch.wait(self._ready_timeout_s))

    async def lost(self) -> None:
        """Return when Serve, which heals whatever it can, has been gone for a minute."""
        seen = time.monotonic()
        while time.monotonic() - seen < LOST_AFTER_S:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(Exception):
                await self._call(self._look)
                seen = time.monotonic()

    async def close(self) -> None:
        """Stop everything that was started."""
        self._closing.set()
        await self._call(shut_down)
        self._thread.shutdown()

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _start(self) -> Gateway:
        try:
            ray.init(
                address="local",
                namespace="serve",
                num_cpus=self._resources.cpus,
                num_gpus=self._resources.gpus,
                object_store_memory=self._resources.store_bytes,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env=self._app.runtime_env or None,
                _node_ip_address=NODE,
            )
            logging.getLogger("ray.serve").setLevel(logging.WARNING)
            serve.start(
                proxy_location="Disabled" if self._port is None else "HeadOnly",
                http_options=None if self._port is None else self._http(self._port),
                logging_config=self._config.logging_config,
                controller_options=self._config.controller_options,
            )
            alone = self._app.config.model_copy(update={"jobs": None})  # RunPod keeps the jobs
            graph = build_graph(alone, self._app.overrides)
            target = serve.api.RunTarget(
                graph,
                name=self._app.name,
                route_prefix=None if self._port is None else "/",
                logging_config=self._app.logging_config,
            )
            serve.run_many([target], wait_for_applications_running=False)
            names = [model.id for model in self._app.config.models]
            handles = {name: serve.get_deployment_handle(name, self._app.name) for name in names}
            return make_gateway(self._app.config, handles, serve.get_deployment_handle("states", self._app.name))
        except Exception as error:
            reason = f"{type(error).__name__}: {last_exception(str(error))}"
            raise StartFailed(f"Ray did not start.\n    {reason}") from error

    def _http(self, port: int) -> dict[str, Any]:
        return {**self._config.http_options, "host": "127.0.0.1", "port": port, "root_path": ""}

    def _look(self) -> None:
        if not self._closing.is_set():
            serve.status()


class _StoppableWatch(ReadinessWatch):
    """One that ends with the cluster."""

    closing: threading.Event

    def _poll(self) -> bool:
        if self.closing.is_set():
            raise StartFailed("The worker was stopped before its models were ready.")
        return super()._poll()
