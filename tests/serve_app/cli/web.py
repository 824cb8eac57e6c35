"""An ASGI application on a real port of this machine, and a user who types commands."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from click.testing import CliRunner, Result
from starlette.types import ASGIApp

from serve_app.cli import main

ROOT = Path(__file__).parents[3]
TESTSET = ROOT / "samples" / "asr" / "testset"
UTT01, UTT09, LONG = (str(TESTSET / name) for name in ("utt01.wav", "utt09.wav", "utt11_long.wav"))


def antiphon(*arguments: str | Path, **options: Any) -> Result:
    """Any command."""
    return CliRunner().invoke(main, [*map(str, arguments)], **options)


def cli(*arguments: str | Path, **options: Any) -> Result:
    """``antiphon transcribe``."""
    return antiphon("transcribe", *arguments, **options)


@contextlib.contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """The URL of the application, which runs in a thread within the block."""
    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        limit = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < limit, "the server did not start"
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
