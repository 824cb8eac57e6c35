"""Delivers webhooks: takes due rows from the queue, several at once, and writes down what became of them.

Any number of senders, in any number of processes, may work on the same queue.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from media.network import Resolver, parse_networks, resolve_with_system
from media.post import PostPolicy
from serve_app.config.jobs import WebhooksConfig
from serve_app.jobs.storage.database import Database
from serve_app.jobs.webhooks import queue
from serve_app.jobs.webhooks.delivery import deliver
from serve_app.jobs.webhooks.schedule import DeliveryFailure, next_delay_s
from serve_app.jobs.webhooks.signature import Secret
from serve_app.jobs.webhooks.webhook import Webhook

logger = logging.getLogger(__name__)

POLL_S = 1.0
FLUSH_POLL_S = 0.02
LONGEST_POLL_S = 30.0
PRUNE_S = 300.0
LEASE_MARGIN_S = 20.0
"""How long an attempt may take beyond its timeout, database included, before another sender makes it again."""
SHARE = 4
"""One destination gets a fourth of the deliveries at once, so that a slow one does not block the others."""

Change = Callable[[Connection], None]


class Sender:
    """``run`` until ``close``. All methods belong to one event loop."""

    def __init__(
        self,
        database: Database,
        config: WebhooksConfig,
        secrets: Sequence[Secret],
        clock: Callable[[], float] = time.time,
        *,
        poll_s: float = POLL_S,
        resolve: Resolver = resolve_with_system,
    ) -> None:
        """``clock`` gives Unix time. Raises ValueError for an allowed network that is none."""
        parse_networks(config.allowed_networks)
        self._database, self._config, self._secrets, self._clock = database, config, tuple(secrets), clock
        self._poll_s, self._resolve = poll_s, resolve
        self._policy = PostPolicy(timeout_s=config.timeout_s, allowed_networks=config.allowed_networks)
        self._share = max(1, config.concurrency // SHARE)
        self._sending: dict[asyncio.Task[None], Webhook] = {}
        self._changes: list[Change] = []
        self._news = asyncio.Event()
        self._exchanging = asyncio.Lock()
        self._writing = self._closed = False
        self._prune_at = 0.0

    async def run(self) -> None:
        """Deliver what is due, now and later. A database that fails is asked again, ever less often."""
        pause = self._poll_s
        while not self._closed:
            self._news.clear()
            try:
                await self._exchange()
                await self._prune()
                pause = self._poll_s
            except Exception as error:
                logger.warning("The queue of webhooks cannot be read or written (%s).", type(error).__name__)
                pause = min(2 * pause, LONGEST_POLL_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()

    def poke(self) -> None:
        """There may be something new in the queue."""
        self._news.set()

    async def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is left that is due, at most ``timeout_s``; whether that is so. Needs ``run``."""
        with suppress(TimeoutError, SQLAlchemyError):
            async with asyncio.timeout(timeout_s):
                self.poke()
                # The database sets no event when there is nothing more.
                while await self._due({}) or self._sending or self._changes or self._writing:  # noqa: ASYNC110
                    await asyncio.sleep(FLUSH_POLL_S)
                return True
        return False

    async def close(self, grace_s: float = 1.0) -> None:
        """Take nothing more; break off what is not delivered after ``grace_s`` and leave it to another sender."""
        self._closed = True
        self.poke()
        async with self._exchanging:
            tasks = list(self._sending)
        if tasks:
            await asyncio.wait(tasks, timeout=grace_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._exchange()
        except Exception as error:  # the leases run out
            logger.warning("The last webhooks' outcomes cannot be written (%s).", type(error).__name__)

    async def _exchange(self) -> None:
        """Write down what became of deliveries and begin new ones, in one transaction."""
        async with self._exchanging:
            changes, self._changes = self._changes, []
            claimed: list[Webhook] = []
            room = 0 if self._closed else self._config.concurrency - len(self._sending)
            busy = Counter(webhook.destination for webhook in self._sending.values())
            try:
                if changes or (room and await self._due(busy)):
                    self._writing = True
                    await self._database.run(partial(self._write, changes, room, busy, claimed))
            except BaseException:  # written again with the next ones, which does no harm
                self._changes = changes + [_release(webhook) for webhook in claimed] + self._changes
                raise
            finally:
                self._writing = False
            for webhook in claimed:
                self._begin(webhook)

    async def _prune(self) -> None:
        """Delete old rows, now and then."""
        if (now := time.monotonic()) >= self._prune_at:
            before = self._clock() - self._config.keep_s
            pruned = await self._database.run(lambda connection: queue.prune(connection, before))
            self._prune_at = now if pruned == queue.PRUNED_AT_ONCE else now + PRUNE_S

    def _write(
        self,
        changes: Sequence[Change],
        room: int,
        busy: Mapping[str, int],
        claimed: list[Webhook],
        connection: Connection,
    ) -> None:
        for change in changes:
            change(connection)
        now, lease_s = self._clock(), self._config.timeout_s + LEASE_MARGIN_S
        claimed += queue.claim(connection, now, lease_s, room, per_destination=self._share, busy=busy)

    async def _due(self, busy: Mapping[str, int]) -> bool:
        return await self._database.run(
            lambda connection: queue.due(connection, self._clock(), per_destination=self._share, busy=busy),
            reads=True,
        )

    def _begin(self, webhook: Webhook) -> None:
        task = asyncio.create_task(self._send(webhook), name=webhook.id)
        self._sending[task] = webhook
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        webhook = self._sending.pop(task)
        if task.cancelled():
            self._changes.append(_release(webhook))
        self.poke()

    async def _send(self, webhook: Webhook) -> None:
        now = self._clock()
        if now + self._config.timeout_s > webhook.lease_until:  # the database took so long to commit
            self._changes.append(_release(webhook))
            return
        try:
            outcome = await deliver(webhook, self._policy, self._secrets, now, self._resolve)
        except Exception as error:
            logger.error("webhook %s: sending it failed with %s", webhook.id, type(error).__name__)
            outcome = DeliveryFailure("It could not be sent for an internal reason.")
        now = self._clock()
        if isinstance(outcome, DeliveryFailure):
            self._failed(webhook, outcome, now)
        else:
            logger.debug("webhook %s of job %s: delivered", webhook.id, webhook.owner)
            self._changes.append(partial(_delivered, webhook, now, outcome))

    def _failed(self, webhook: Webhook, failure: DeliveryFailure, now: float) -> None:
        delay_s = next_delay_s(failure, webhook.attempts, self._config.attempts)
        outcome = (webhook.id, webhook.owner, failure.message)
        if delay_s is None:
            logger.warning("webhook %s of job %s is given up: %s", *outcome)
        else:
            logger.info("webhook %s of job %s: %s The next attempt is in %.0f s.", *outcome, delay_s)
        next_at = None if delay_s is None else now + delay_s
        self._changes.append(partial(_failed, webhook, now, next_at, failure))


def _delivered(webhook: Webhook, now: float, status: int, connection: Connection) -> None:
    queue.delivered(connection, webhook, now, status)


def _failed(
    webhook: Webhook, now: float, next_at: float | None, failure: DeliveryFailure, connection: Connection
) -> None:
    queue.failed(connection, webhook, now, next_at, error=failure.message, status=failure.status)


def _release(webhook: Webhook) -> Change:
    return partial(queue.release, webhook=webhook)
