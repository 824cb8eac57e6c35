"""``antiphon webhooks``: what became of webhooks, and sending them again."""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from serve_app.jobs.storage.database import Database
    from serve_app.jobs.webhooks.webhook import State, Webhook

T = TypeVar("T")
LONGEST_LIST = 10_000


@click.group()
def webhooks() -> None:
    """List webhooks, or send them again."""


def _place(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name the database."""
    config = click.option("--config", type=click.Path(path_type=Path), help="The server's configuration file.")
    database = click.option(
        "--database", help="Or its database as SQLAlchemy URL; with a password best set ANTIPHON_DATABASE_URL."
    )
    return config(database(command))


@webhooks.command("list")
@click.option("--job", help="Only those of this job.")
@click.option("--state", type=click.Choice(["pending", "delivered", "dead"]), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, LONGEST_LIST), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@_place
def listing(
    job: str | None, state: str | None, limit: int, as_json: bool, config: Path | None, database: str | None
) -> None:
    """The newest webhooks, newest first. Queries of URLs are not shown, since they may hold secrets."""
    from serve_app.cli.commands.models import table
    from serve_app.jobs.webhooks import queue

    wanted = cast("State | None", state)
    newest = _work(config, database, lambda c: queue.recent(c, owner=job, state=wanted, limit=limit))
    if as_json:
        for webhook in newest:
            click.echo(json.dumps(_json(webhook)))
        return
    rows = [("webhook", "job", "event", "state", "attempts", "created", "url", "last answer")]
    for line in table([*rows, *map(_row, newest)]):
        click.echo(line)


@webhooks.command()
@click.option("--id", "webhook_id", help="The webhook with this id.")
@click.option("--job", help="All webhooks of this job.")
@click.option("--dead", is_flag=True, help="All that were given up.")
@_place
def replay(webhook_id: str | None, job: str | None, dead: bool, config: Path | None, database: str | None) -> None:
    """Send webhooks again, also delivered ones, with the ids that they had. Running servers do it.

    Exits with 1 if there is none such.
    """
    from serve_app.jobs.webhooks import queue

    if [webhook_id is not None, job is not None, dead].count(True) != 1:
        raise click.UsageError("Say what to send again: one of --id ID, --job JOB, --dead.")

    def again(connection: "Connection") -> int:
        return queue.replay(connection, time.time(), webhook_id=webhook_id, owner=job, dead=dead)

    count = _work(config, database, again)
    if not count and not dead:
        sys.exit("There is no such webhook; antiphon webhooks list shows those that there are.")
    click.echo(f"{count} webhook{'' if count == 1 else 's'} will be sent again.")


def _work(config: Path | None, url: str | None, work: "Callable[[Connection], T]") -> T:
    """What ``work`` returns. Leaves with a sentence if the database cannot be used."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        database = _open(config, url)
        try:
            return database.transact(work)
        finally:
            database.close()
    except SQLAlchemyError as error:
        # The error's own text may repeat the URL, or what was written.
        sys.exit(f"The database cannot be used ({type(error).__name__}); check its URL and that it is running.")
    except OSError as error:
        sys.exit(f"The database cannot be used: {error.strerror or error}.")


def _open(config: Path | None, url: str | None) -> "Database":
    import os

    from sqlalchemy.engine import make_url

    from serve_app.config.jobs import JobsConfig
    from serve_app.jobs.storage.database import FILE, VARIABLE, Database

    if (config is None) == (url is None) and (config is not None or not os.environ.get(VARIABLE)):
        raise click.UsageError(f"Say where the webhooks are: one of --config FILE, --database URL, or {VARIABLE}.")
    jobs = JobsConfig() if config is None else _jobs(config)
    wanted = make_url(url or os.environ.get(VARIABLE) or jobs.database or f"sqlite:///{Path(jobs.folder) / FILE}")
    if wanted.get_backend_name() == "sqlite" and not (wanted.database and Path(wanted.database).is_file()):
        place = Path(wanted.database).absolute() if wanted.database else "that URL"
        sys.exit(
            f"There is no database at {place}; name the one that the server uses, or run this in the folder "
            "where the server was started."
        )
    folder = Path(wanted.database).parent if wanted.database and wanted.get_backend_name() == "sqlite" else "."
    return Database.open(folder, wanted.render_as_string(hide_password=False), {})


def _jobs(file: Path) -> Any:
    from serve_app.config.serve_yaml.document import ConfigProblems
    from serve_app.config.serve_yaml.load import load

    try:
        applications = load(file).applications
    except ConfigProblems as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    settings = [app.config.jobs for app in applications if app.config.jobs is not None]
    if len(settings) != 1:
        sys.exit(f"{file} has {len(settings) or 'no'} applications with jobs; use --database instead.")
    return settings[0]


def _row(webhook: "Webhook") -> tuple[str, ...]:
    answer = webhook.last_error or (f"HTTP status {webhook.last_status}" if webhook.last_status else "-")
    attempts = str(webhook.attempts)
    when, where = _time(webhook.created) or "-", _shown(webhook.url)
    return (webhook.id, webhook.owner, webhook.event, webhook.state, attempts, when, where, answer)


def _json(webhook: "Webhook") -> dict[str, Any]:
    return {
        "id": webhook.id,
        "job": webhook.owner,
        "number": webhook.number,
        "event": webhook.event,
        "state": webhook.state,
        "attempts": webhook.attempts,
        "url": _shown(webhook.url),
        "created": _time(webhook.created),
        "next": _time(webhook.next_at) if webhook.state == "pending" else None,
        "finished": _time(webhook.finished),
        "last_status": webhook.last_status,
        "last_error": webhook.last_error,
    }


def _shown(url: str) -> str:
    path, question, _ = url.partition("?")
    return f"{path}{'?...' if question else ''}"


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
