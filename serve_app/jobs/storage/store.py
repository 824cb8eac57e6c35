"""Where jobs are kept: their rows, and what is too big for one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from serve_app.config.jobs import JobsConfig
from serve_app.jobs.storage.database import Database
from serve_app.jobs.storage.payloads import Payloads, open_storage


@dataclass(frozen=True, slots=True)
class JobStore:
    """The same for everyone who has the same configuration."""

    database: Database
    payloads: Payloads

    @classmethod
    def open(cls, config: JobsConfig) -> Self:
        """Open it, bringing the schema up to date. Raises ``sqlalchemy.exc.SQLAlchemyError``, OSError."""
        folder = Path(config.folder).expanduser().absolute()
        storage = open_storage(config.payloads or str(folder / "payloads"))
        return cls(Database.open(folder, config.database), Payloads(storage, config.inline_bytes))
