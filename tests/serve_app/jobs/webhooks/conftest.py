"""A queue in each database, a receiver, senders, and a clock that tests move."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from serve_app.config.jobs import WebhooksConfig
from serve_app.contracts.contract import Notice
from serve_app.jobs.storage.database import Database
from serve_app.jobs.webhooks import queue
from serve_app.jobs.webhooks.sender import Sender
from serve_app.jobs.webhooks.signature import Secret
from serve_app.jobs.webhooks.webhook import Webhook, rows_of
from tests.serve_app.jobs.webhooks.receiver import Receiver, receiving, until

LOOPBACK = ("127.0.0.0/8",)


@dataclass
class Clock:
    """The time now, and what has been added to it."""

    ahead_s: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@dataclass(frozen=True)
class Rows:
    """The queue's rows, for tests."""

    database: Database
    clock: Clock

    def add(self, owner: str, url: str, *payloads: dict[str, Any], event: str = "job") -> None:
        notices = [Notice(url, event, payload) for payload in payloads]
        self.database.transact(lambda c: queue.add(c, rows_of(owner, notices, self.clock())))

    def all(self, owner: str | None = None) -> list[Webhook]:
        found = self.database.transact(lambda c: queue.recent(c, owner=owner, limit=1_000), reads=True)
        return sorted(found, key=lambda row: (row.owner, row.number))

    def states(self, owner: str | None = None) -> list[str]:
        return [row.state for row in self.all(owner)]

    async def become(self, *states: str, owner: str | None = None) -> list[Webhook]:
        await until(lambda: self.states(owner) == list(states))
        return self.all(owner)


@pytest.fixture
def opened(database: str | None, tmp_path: Path) -> Iterator[Database]:
    """An open database, SQLite and PostgreSQL in turn."""
    found = Database.open(tmp_path, database, {})
    yield found
    found.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """An open database, SQLite only."""
    found = Database.open(tmp_path, None, {})
    yield found
    found.close()


@pytest.fixture
def rows(sqlite: Database) -> Rows:
    return Rows(sqlite, Clock())


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


StartSender = Callable[..., Sender]


@pytest.fixture
async def start_sender(rows: Rows) -> AsyncIterator[StartSender]:
    """Starts senders, which may reach the loopback unless they are told otherwise."""
    started: list[tuple[Sender, asyncio.Task[None]]] = []

    def start(
        secrets: Sequence[Secret] = (),
        *,
        database: Database | None = None,
        clock: Callable[[], float] | None = None,
        poll_s: float = 0.02,
        **settings: Any,
    ) -> Sender:
        config = WebhooksConfig(**{"allowed_networks": LOOPBACK, "timeout_s": 5, **settings})
        sender = Sender(database or rows.database, config, secrets, clock or rows.clock, poll_s=poll_s)
        started.append((sender, asyncio.create_task(sender.run())))
        return sender

    yield start
    for sender, task in started:
        await sender.close(grace_s=0)
        await asyncio.gather(task, return_exceptions=True)
