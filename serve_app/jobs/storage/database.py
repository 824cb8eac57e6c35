"""The database of jobs and webhooks: SQLite by default, PostgreSQL where there are several nodes."""

import asyncio
import contextlib
import functools
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from filelock import FileLock
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url

T = TypeVar("T")

VARIABLE = "ANTIPHON_DATABASE_URL"
FILE = "jobs.sqlite3"
BUSY_S = 60.0
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_S * 1e3:.0f}")
POSTGRES_CONNECTIONS, READERS = 4, 2
READS = "antiphon_reads"
MIGRATION_LOCK = 0x416E7469  # any number that nobody else locks


class Database:
    """Transactions on threads of its own, so that no event loop waits for a disk.

    SQLite has one writer, so writing gets one thread; PostgreSQL gets as many as connections. What only reads
    has threads of its own and waits for no writer.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.engine = _engine(url)
        self._reading = self.engine.execution_options(**{READS: True})
        threads = 1 if self.is_sqlite else POSTGRES_CONNECTIONS
        self._writers = ThreadPoolExecutor(threads, thread_name_prefix="database")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="database-reader")

    @classmethod
    def open(
        cls, folder: Path | str, url: str | None = None, environment: Mapping[str, str] = os.environ
    ) -> "Database":
        """The database of a configuration, brought to the newest schema. Its URL is that of
        ``ANTIPHON_DATABASE_URL``, else ``url``, else SQLite in ``folder``.

        Raises ``sqlalchemy.exc.SQLAlchemyError``, OSError.
        """
        folder = Path(folder)
        wanted = environment.get(VARIABLE) or url
        chosen = _with_driver(make_url(wanted)) if wanted else URL.create("sqlite", database=str(folder / FILE))
        if chosen.get_backend_name() == "sqlite":
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = cls(chosen)
        database.migrate(folder)
        return database

    async def run(self, work: Callable[[Connection], T], *, reads: bool = False) -> T:
        """What ``work`` returns, which is committed; nothing of it is if it raises. Work that only ``reads`` waits
        for no writer. Cancelling waits for the end, so that the caller knows that nothing of it happens later.
        """
        call = functools.partial(self.transact, work, reads=reads)
        job = asyncio.get_running_loop().run_in_executor(self._readers if reads else self._writers, call)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                await job
            raise

    def transact(self, work: Callable[[Connection], T], *, reads: bool = False) -> T:
        """The same in this thread."""
        with (self._reading if reads else self.engine).begin() as connection:
            return work(connection)

    def migrate(self, folder: Path) -> None:
        """Bring the schema up to date; one process at a time."""
        if self.is_sqlite:
            with FileLock(folder / f"{FILE}.lock", timeout=BUSY_S):
                self.transact(_upgrade)
        else:
            self.transact(_locked_upgrade)

    def close(self) -> None:
        """End the threads and the connections."""
        self._writers.shutdown()
        self._readers.shutdown()
        self.engine.dispose()


def _with_driver(url: URL) -> URL:
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgres", "postgresql") else url


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_size=POSTGRES_CONNECTIONS + READERS, max_overflow=0, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_S, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection, record) -> None:  # type: ignore[no-untyped-def]
        connection.isolation_level = None  # the driver's own BEGIN comes too late; see below
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and then writes takes the lock at once: nobody may write in between.
        reads = connection.get_execution_options().get(READS, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _locked_upgrade(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    _upgrade(connection)


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", f"{__package__}:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
