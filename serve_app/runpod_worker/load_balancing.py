"""The worker behind RunPod's load balancer: the HTTP application itself, reachable before the models are."""

import asyncio
import contextlib
import socket
from typing import Protocol

import httpx
import uvicorn

from serve_app.config.app import AppConfig
from serve_app.gateway.gateway import Gateway
from serve_app.http.app import create_app
from serve_app.keys import ApiKeys
from serve_app.runpod_worker.loop_thread import LoopThread
from serve_app.runpod_worker.service import STOP_S, Runtime
from serve_app.runpod_worker.startup_proxy import StartupProxy

DRAIN_S = 30.0
LOOK_S = 0.1
GONE = "The models are gone and do not come back; the worker ends so that another one takes its place."


class HttpServer(Protocol):
    """What answers HTTP on loopback."""

    async def start(self, gateway: Gateway) -> int:
        """The port that will be answered."""
        ...

    async def close(self) -> None:
        """Stop."""
        ...


class ServesItself:
    """The proxy of Serve, which comes and goes with the graph."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def start(self, gateway: Gateway) -> int:
        """The port that the graph was given."""
        return self._port

    async def close(self) -> None:
        """Serve ends it."""


class InProcessServer:
    """The same application in this process, in the event loop of the models."""

    def __init__(self, config: AppConfig) -> None:
        self._config, self._keys = config, ApiKeys.from_environment()
        self._server: uvicorn.Server | None = None

    async def start(self, gateway: Gateway) -> int:
        """Listen on a free port."""
        app = create_app(gateway, self._config.http, self._keys)
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
        self._server.config.load()
        listening = socket.create_server(("127.0.0.1", 0))
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        return int(listening.getsockname()[1])

    async def close(self) -> None:
        """Let answers end, for a second at most."""
        if self._server is not None:
            self._server.should_exit = True
            await asyncio.wait({self._serving}, timeout=1)
            self._server.force_exit = True
            await asyncio.wait({self._serving}, timeout=1)


def run(front: StartupProxy, runtime: Runtime, http: HttpServer) -> None:
    """Serve until a signal raises something. Raises StartFailed, and RuntimeError if the models go away."""
    background = LoopThread("antiphon")
    try:
        background.submit(_start(front, runtime, http)).result()
        background.submit(runtime.lost()).result()
        raise RuntimeError(GONE)
    finally:
        front.close(DRAIN_S)
        with contextlib.suppress(TimeoutError):
            background.submit(_stop(runtime, http)).result(STOP_S)
        background.close()


async def _start(front: StartupProxy, runtime: Runtime, http: HttpServer) -> None:
    port = await http.start(await runtime.start())
    reachable = asyncio.create_task(_open(front, port))
    try:
        await runtime.ready()
        await reachable
    finally:
        reachable.cancel()


async def _open(front: StartupProxy, port: int) -> None:
    """Let connections through as soon as the application itself says what it is doing."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=2) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get("/ping")).status_code in (200, 204):
                    break
            await asyncio.sleep(LOOK_S)
    front.open(port)


async def _stop(runtime: Runtime, http: HttpServer) -> None:
    await http.close()
    await runtime.close()
