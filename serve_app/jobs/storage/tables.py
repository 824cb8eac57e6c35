"""The tables, as the newest migration leaves them. Times are Unix seconds."""

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("endpoint", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("sync", Boolean, nullable=False, default=False),
    Column("options", Text, nullable=False),  # JSON
    Column("input", Text, nullable=False),  # JSON, or where it is kept
    Column("output", Text),  # the same
    Column("error", Text),
    Column("error_status", Integer),
    Column("idempotency_key", String(256)),
    Column("batch", String(64)),
    Column("created", Double, nullable=False),
    Column("queued", Double, nullable=False),  # when it was created, or last retried
    Column("rank", Double, nullable=False),  # the order of the queue
    Column("started", Double),
    Column("finished", Double),
    Column("expires", Double, nullable=False),
    Column("worker", String(64)),
    Column("lease", String(64)),  # the token of the attempt that may write
    Column("lease_until", Double),
    Column("attempts", Integer, nullable=False, default=0),
    Column("retries", Integer, nullable=False, default=0),
    Column("chunks", Integer, nullable=False, default=0),
    Column("drained", Integer, nullable=False, default=0),
    Column("revision", Integer, nullable=False, default=0),
    UniqueConstraint("endpoint", "idempotency_key"),
    Index("jobs_queue", "status", "endpoint", "rank"),
    Index("jobs_recent", "endpoint", "created"),
    Index("jobs_lease", "lease"),
    Index("jobs_expires", "expires"),
    Index("jobs_batch", "batch"),
)

chunks = Table(
    "chunks",
    metadata,
    Column("job", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("value", Text, nullable=False),  # JSON, or where it is kept
    Column("lane", Integer, nullable=False, default=0),
    Column("until", Double, nullable=False),
)

counts = Table(
    "counts",
    metadata,
    Column("endpoint", String(64), primary_key=True),
    Column("completed", Integer, nullable=False, default=0),
    Column("failed", Integer, nullable=False, default=0),
    Column("retried", Integer, nullable=False, default=0),
)

batches = Table(
    "batches",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("endpoint", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("completed", Integer, nullable=False, default=0),  # of the jobs that are no longer kept
    Column("failed", Integer, nullable=False, default=0),
)

drafts = Table(
    "drafts",
    metadata,
    Column("batch", String(64), ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("input", Text, nullable=False),
    Column("options", Text, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("number", Integer, nullable=False),  # the order within the owner
    Column("url", Text, nullable=False),
    Column("event", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Double, nullable=False),
    Column("lease_until", Double, nullable=False, default=0),
    Column("created", Double, nullable=False),
    Column("finished", Double),
    Column("last_status", Integer),
    Column("last_error", Text),
    UniqueConstraint("owner", "number"),
    Index("webhooks_due", "state", "next_at"),
)
