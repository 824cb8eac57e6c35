"""Webhooks that contracts promise: queued in a file, delivered beside the jobs."""

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from serve_app.config.jobs import WebhooksConfig
from serve_app.contracts.contract import Notice
from serve_app.jobs.storage.database import Database
from serve_app.jobs.webhooks import queue
from serve_app.jobs.webhooks.sender import Sender
from serve_app.jobs.webhooks.signature import read_secrets
from serve_app.jobs.webhooks.webhook import rows_of

logger = logging.getLogger("ray.serve")

FLUSH_S = 15.0  # at the end of the worker, for what is due by then


class WorkerWebhooks:
    """The queue and its sender, started by the first webhook: most workers never send one.

    ``folder`` None is a temporary one; what is not delivered at the end of the worker is then lost.
    """

    def __init__(self, config: WebhooksConfig, folder: Path | None = None) -> None:
        self._config, self._folder = config, folder
        self._secrets = read_secrets()
        self._temporary: Path | None = None
        self._opening = asyncio.Lock()
        self._database: Database | None = None
        self._sender: Sender | None = None

    async def add(self, owner: str, notices: Sequence[Notice]) -> None:
        """Queue webhooks of a job; returns when they are in the file."""
        if not notices:
            return
        async with self._opening:
            if self._database is None:
                await self._open()
        assert self._database is not None
        assert self._sender is not None
        rows = await asyncio.to_thread(rows_of, owner, notices, time.time())
        await self._database.run(lambda connection: queue.add(connection, rows))
        self._sender.poke()

    async def close(self) -> None:
        """Deliver what is due, for some seconds at most, and stop."""
        if self._database is None or self._sender is None:
            return
        if not await self._sender.flush(FLUSH_S):
            logger.warning("webhooks were not delivered before the end of the worker")
        await self._sender.close()
        await self._running
        await asyncio.to_thread(self._database.close)
        if self._temporary is not None:
            await asyncio.to_thread(shutil.rmtree, self._temporary, ignore_errors=True)

    async def _open(self) -> None:
        if self._folder is None:
            self._temporary = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="antiphon-"))
        folder = self._folder or self._temporary
        assert folder is not None
        self._database = await asyncio.to_thread(Database.open, folder, None, {})
        self._sender = Sender(self._database, self._config, self._secrets)
        self._running = asyncio.create_task(self._sender.run())
