"""The rows of webhooks: pending until they are delivered, or dead when they are given up.

Every function works inside the transaction of the connection it is given. Times are Unix seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, and_, case, delete, exists, func, insert, select, text, update

from serve_app.jobs.storage.tables import webhooks
from serve_app.jobs.webhooks.webhook import Row, State, Webhook

PRUNED_AT_ONCE = 1_000


def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Queue the rows of one owner behind those that it has."""
    if not rows:
        return
    owner = rows[0]["owner"]
    if connection.dialect.name == "postgresql":  # two transactions must not count the same owner's rows at once
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:owner))"), {"owner": owner})
    last = select(func.coalesce(func.max(webhooks.c.number), -1)).where(webhooks.c.owner == owner)
    first = connection.execute(last).scalar_one() + 1
    connection.execute(insert(webhooks), [{**row, "number": first + place} for place, row in enumerate(rows)])


def _due(now: float) -> ColumnElement[bool]:
    """Rows that may be sent now: waiting for nothing, sent by nobody, and the first pending one of their owner
    for their URL."""
    earlier = webhooks.alias("earlier")
    waits = exists().where(
        earlier.c.owner == webhooks.c.owner,
        earlier.c.url == webhooks.c.url,
        earlier.c.number < webhooks.c.number,
        earlier.c.state == "pending",
    )
    c = webhooks.c
    return and_(c.state == "pending", c.next_at <= now, c.lease_until <= now, ~waits)


def _elsewhere(full: Iterable[str]) -> list[ColumnElement[bool]]:
    return [func.substr(webhooks.c.url, 1, len(place)) != place for place in sorted(full)]


def due(
    connection: Connection,
    now: float,
    *,
    per_destination: int | None = None,
    busy: Mapping[str, int] | None = None,
) -> bool:
    """Whether ``claim`` would find anything."""
    full = (
        set() if per_destination is None else {p for p, count in (busy or {}).items() if count >= per_destination}
    )
    wanted = select(webhooks.c.id).where(_due(now), *_elsewhere(full)).limit(1)
    return connection.execute(wanted).first() is not None


def claim(
    connection: Connection,
    now: float,
    lease_s: float,
    limit: int,
    *,
    per_destination: int | None = None,
    busy: Mapping[str, int] | None = None,
) -> tuple[Webhook, ...]:
    """At most ``limit`` due rows, longest due first, which nobody else gets before ``now + lease_s``.

    ``busy`` counts deliveries in progress by destination; those claimed come on top, up to ``per_destination``
    each. Rows beyond it stay for later and do not stand in the way of others.
    """
    claimed: list[Webhook] = []
    load = dict(busy or {})
    most = limit + sum(load.values()) if per_destination is None else per_destination
    while len(claimed) < limit:
        full = (place for place, count in load.items() if count >= most)
        wanted = select(webhooks).where(_due(now), *_elsewhere(full))
        wanted = wanted.order_by(webhooks.c.next_at, webhooks.c.created, webhooks.c.owner)
        wanted = wanted.limit(limit - len(claimed)).with_for_update(skip_locked=True, of=webhooks)
        candidates = [_webhook(row) for row in connection.execute(wanted).mappings()]
        taken = [row for row in candidates if _takes(load, row.destination, most)]
        claimed += _leased(connection, taken, now + lease_s)
        if len(taken) == len(candidates):
            break
    return tuple(claimed)


def _takes(load: dict[str, int], place: str, most: int) -> bool:
    if (count := load.get(place, 0)) >= most:
        return False
    load[place] = count + 1
    return True


def _leased(connection: Connection, rows: list[Webhook], until: float) -> list[Webhook]:
    if not rows:
        return []
    changes = {"lease_until": until, "attempts": webhooks.c.attempts + 1}
    chosen = webhooks.c.id.in_([row.id for row in rows])
    leased = connection.execute(update(webhooks).where(chosen).values(changes).returning(*webhooks.c))
    by_id = {row["id"]: _webhook(row) for row in leased.mappings()}
    return [by_id[row.id] for row in rows]


def delivered(connection: Connection, webhook: Webhook, now: float, status: int) -> None:
    """The receiver took it, which is recorded even if another sender has the lease by now."""
    done = {"state": "delivered", "lease_until": 0.0, "finished": now, "last_status": status, "last_error": None}
    connection.execute(update(webhooks).where(webhooks.c.id == webhook.id, _pending()).values(done))


def failed(
    connection: Connection,
    webhook: Webhook,
    now: float,
    next_at: float | None,
    *,
    error: str,
    status: int | None = None,
) -> None:
    """The attempt was not taken; another one begins at ``next_at``, or none (None), which makes it dead.

    Nothing happens if the lease is lost.
    """
    changes: dict[str, Any] = {"lease_until": 0.0, "last_status": status, "last_error": error}
    changes |= {"state": "dead", "finished": now} if next_at is None else {"next_at": next_at}
    connection.execute(update(webhooks).where(_held(webhook)).values(changes))


def release(connection: Connection, webhook: Webhook) -> None:
    """The attempt was not made; somebody else may make it at once."""
    begun = webhooks.c.attempts
    back = {"lease_until": 0.0, "attempts": case((begun > 0, begun - 1), else_=0)}  # a replay may have reset it
    connection.execute(update(webhooks).where(_held(webhook)).values(back))


def _pending() -> ColumnElement[bool]:
    return webhooks.c.state == "pending"


def _held(webhook: Webhook) -> ColumnElement[bool]:
    c = webhooks.c
    return and_(c.id == webhook.id, _pending(), c.lease_until == webhook.lease_until)


def replay(
    connection: Connection,
    now: float,
    *,
    webhook_id: str | None = None,
    owner: str | None = None,
    dead: bool = False,
) -> int:
    """Send again: the one with an id, all of an owner, or all dead ones; how many rows these are.

    Their attempts start from 0. One that is being sent right now is sent again only if that fails.
    """
    c = webhooks.c
    chosen = [
        *([c.id == webhook_id] if webhook_id is not None else []),
        *([c.owner == owner] if owner is not None else []),
        *([c.state == "dead"] if dead else []),
    ]
    if not chosen:
        raise ValueError("a replay needs an id, an owner or dead")
    again = {"state": "pending", "attempts": 0, "next_at": now, "finished": None}
    return connection.execute(update(webhooks).where(*chosen).values(again)).rowcount


def recent(
    connection: Connection, *, owner: str | None = None, state: State | None = None, limit: int = 50
) -> tuple[Webhook, ...]:
    """The newest rows, newest first."""
    c = webhooks.c
    chosen = [
        *([c.owner == owner] if owner is not None else []),
        *([c.state == state] if state is not None else []),
    ]
    wanted = select(webhooks).where(*chosen).order_by(c.created.desc(), c.owner, c.number.desc()).limit(limit)
    return tuple(_webhook(row) for row in connection.execute(wanted).mappings())


def prune(connection: Connection, before: float) -> int:
    """Forget a bounded number of rows that were delivered or given up before a time; how many there were."""
    c = webhooks.c
    old = select(c.id).where(c.state != "pending", c.finished < before).limit(PRUNED_AT_ONCE)
    return connection.execute(delete(webhooks).where(c.id.in_(old))).rowcount


def _webhook(row: Mapping[Any, Any]) -> Webhook:
    return Webhook(**cast("dict[str, Any]", dict(row)))
