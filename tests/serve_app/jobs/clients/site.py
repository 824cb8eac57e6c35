"""The job service behind a real server: routes, rows, a runner, contracts; only the models are stubs."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from serve_app.config.app import HttpConfig
from serve_app.http.app import create_app
from serve_app.keys import ApiKeys
from tests.serve_app.http.server import loopback_listener
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.jobs.support import Site, site_of

KEY = "the-key"


@dataclass
class Served:
    """A running server, and what is behind it, which lives on the server's own event loop."""

    url: str
    gateway: SpeakingGateway
    site: Site


@contextlib.contextmanager
def serving_site(folder: Path, **settings: Any) -> Iterator[Served]:
    """A server with the key ``KEY`` on a free loopback port. ``settings`` are those of JobsConfig."""
    ready: list[Served] = []
    begun = threading.Event()
    servers: list[uvicorn.Server] = []

    async def serve(listener: socket.socket) -> None:
        gateway = SpeakingGateway()
        async with site_of(folder, gateway=gateway, **settings) as site:
            app = create_app(gateway, HttpConfig(), ApiKeys([KEY]), jobs=site.service, jobs_config=site.config)
            server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
            servers.append(server)
            ready.append(Served(f"http://127.0.0.1:{listener.getsockname()[1]}", gateway, site))
            begun.set()  # the socket listens already
            await server.serve(sockets=[listener])

    def run(listener: socket.socket) -> None:
        try:
            asyncio.run(serve(listener))
        finally:
            begun.set()

    with loopback_listener() as listener:
        thread = threading.Thread(target=run, args=(listener,))
        thread.start()
        assert begun.wait(20)
        assert ready
        try:
            yield ready[0]
        finally:
            servers[0].should_exit = True
            thread.join(20)
            assert not thread.is_alive()
