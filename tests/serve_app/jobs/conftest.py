"""The databases that jobs live in."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy

from tests.serve_app.jobs.support import Script


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The URL of an empty database; None is SQLite."""
    if request.param == "sqlite":
        yield None
        return
    url = sqlalchemy.make_url(request.getfixturevalue("postgres")).set(drivername="postgresql+psycopg")
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    name = f"jobs_{abs(hash(request.node.nodeid))}"
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    yield url.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """The scripted contract in place of all others."""
    script = Script()

    def choose(job_input: Any, *_: Any) -> Script:
        return script

    monkeypatch.setattr("serve_app.jobs.attempt.choose", choose)
    return script
