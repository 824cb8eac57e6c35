"""How many jobs an endpoint has, and ever had. Every function works within the transaction it is given."""

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from serve_app.jobs.storage.tables import counts, jobs


def waiting(connection: Connection, endpoint: str) -> int:
    """How many jobs wait in an endpoint's queue."""
    wanted = select(func.count()).where(jobs.c.endpoint == endpoint, jobs.c.status == "IN_QUEUE")
    return int(connection.execute(wanted).scalar_one())


def by_status(connection: Connection, endpoint: str) -> dict[str, int]:
    """Numbers of kept jobs by status."""
    wanted = select(jobs.c.status, func.count()).where(jobs.c.endpoint == endpoint).group_by(jobs.c.status)
    return {str(status): int(number) for status, number in connection.execute(wanted)}


def ever(connection: Connection, endpoint: str) -> dict[str, int]:
    """Numbers of jobs that ever were completed, failed and retried."""
    row = connection.execute(select(counts).where(counts.c.endpoint == endpoint)).first()
    return dict.fromkeys(("completed", "failed", "retried"), 0) if row is None else dict(row._mapping)


def count(connection: Connection, endpoint: str, what: str) -> None:
    """Count one more."""
    made = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(counts)
    row = {"endpoint": endpoint, "completed": 0, "failed": 0, "retried": 0, what: 1}
    connection.execute(
        made.values(row).on_conflict_do_update(index_elements=["endpoint"], set_={what: counts.c[what] + 1})
    )
