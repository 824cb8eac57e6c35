"""``antiphon webhooks``: what it lists, what it sends again, and how it fails."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from serve_app.cli import main
from serve_app.contracts.contract import Notice
from serve_app.jobs.storage.database import FILE, VARIABLE, Database
from serve_app.jobs.webhooks import queue
from serve_app.jobs.webhooks.webhook import rows_of

HOOK = "https://hooks.example/a?token=hidden"
CONFIG = """
http_options: {{host: 127.0.0.1}}
applications:
  - import_path: serve_app:build
    args:
      models: [{{id: sample-asr, config: {{source: samples/asr/model}}}}]
      {jobs}
"""


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A delivered, a dead and a pending webhook of one job, and a pending one of another."""
    monkeypatch.delenv(VARIABLE, raising=False)
    opened = Database.open(tmp_path / "jobs", None, {})
    notices = [Notice(HOOK, event, {"words": "confidential"}) for event in ("start", "end", "job")]
    opened.transact(lambda c: queue.add(c, rows_of("one", notices, 100.0)))
    (first,) = opened.transact(lambda c: queue.claim(c, 100.0, 30.0, 1))
    opened.transact(lambda c: queue.delivered(c, first, 101.0, 204))
    (second,) = opened.transact(lambda c: queue.claim(c, 100.0, 30.0, 1))
    told = "hooks.example answered with HTTP status 410: it wants no more."
    opened.transact(lambda c: queue.failed(c, second, 102.0, None, error=told, status=410))
    opened.transact(lambda c: queue.add(c, rows_of("two", notices[:1], 103.0)))
    yield opened
    opened.close()


@pytest.fixture
def run(database: Database) -> Callable[..., Result]:
    """Runs a command with the database's URL."""
    url = f"sqlite:///{database.url.database}"
    return lambda *words: CliRunner().invoke(main, ["webhooks", *words, "--database", url])


def states(database: Database) -> dict[tuple[str, int], str]:
    rows = database.transact(queue.recent)
    return {(row.owner, row.number): row.state for row in rows}


def test_list(run: Callable[..., Result]) -> None:
    result = run("list")
    assert result.exit_code == 0
    head, *lines = result.output.splitlines()
    assert head.split()[:5] == ["webhook", "job", "event", "state", "attempts"]
    assert [line.split()[1:5] for line in lines] == [
        ["two", "start", "pending", "0"],
        ["one", "job", "pending", "0"],
        ["one", "end", "dead", "1"],
        ["one", "start", "delivered", "1"],
    ]
    assert lines[2].endswith("hooks.example answered with HTTP status 410: it wants no more.")
    assert lines[3].endswith("1970-01-01T00:01:40+00:00   https://hooks.example/a?...   HTTP status 204")
    assert "hidden" not in result.output
    assert "confidential" not in result.output


def test_list_of_a_job_as_json(run: Callable[..., Result]) -> None:
    result = run("list", "--job", "one", "--state", "dead", "--json")
    (webhook,) = map(json.loads, result.output.splitlines())
    assert (webhook["job"], webhook["number"], webhook["state"], webhook["last_status"]) == ("one", 1, "dead", 410)
    assert (webhook["finished"], webhook["next"]) == ("1970-01-01T00:01:42+00:00", None)
    assert len(run("list", "--limit", "2").output.splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "count", "again"),
    [
        (["--dead"], "1 webhook", {("one", 1)}),
        (["--job", "one"], "3 webhooks", {("one", 0), ("one", 1), ("one", 2)}),
        (["--id", "first"], "1 webhook", {("one", 0)}),
    ],
)
def test_replay(
    run: Callable[..., Result], database: Database, words: list[str], count: str, again: set[tuple[str, int]]
) -> None:
    before = states(database)
    (first,) = (row.id for row in database.transact(queue.recent) if (row.owner, row.number) == ("one", 0))
    result = run("replay", *[first if word == "first" else word for word in words])
    assert (result.exit_code, result.output) == (0, f"{count} will be sent again.\n")
    assert states(database) == before | dict.fromkeys(again, "pending")


@pytest.mark.parametrize("words", [["--id", "msg_none"], ["--job", "none"]])
def test_a_replay_of_nothing_is_told(run: Callable[..., Result], words: list[str]) -> None:
    result = run("replay", *words)
    assert result.exit_code == 1
    assert "There is no such webhook" in result.output


@pytest.mark.parametrize("words", [[], ["--dead", "--job", "one"], ["--id", "x", "--job", "one"]])
def test_a_replay_wants_one_choice(run: Callable[..., Result], words: list[str]) -> None:
    result = run("replay", *words)
    assert result.exit_code == 2
    assert "one of --id ID, --job JOB, --dead" in result.output


def test_the_database_of_a_configuration(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.format(jobs=f"jobs: {{folder: {tmp_path / 'jobs'}}}"))
    result = CliRunner().invoke(main, ["webhooks", "list", "--config", str(file)])
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) == 5
    file.write_text(CONFIG.format(jobs=""))
    result = CliRunner().invoke(main, ["webhooks", "list", "--config", str(file)])
    assert result.exit_code == 1
    assert "no applications with jobs" in result.output
    file.write_text("{")
    assert CliRunner().invoke(main, ["webhooks", "list", "--config", str(file)]).exit_code == 2


def test_the_database_of_the_environment(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"sqlite:///{database.url.database}")
    assert len(CliRunner().invoke(main, ["webhooks", "list"]).output.splitlines()) == 5


def test_without_a_database_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["webhooks", "list"])
    assert result.exit_code == 2
    assert "--config FILE, --database URL" in result.output
    result = CliRunner().invoke(main, ["webhooks", "list", "--database", f"sqlite:///{FILE}"])
    assert result.exit_code == 1
    assert f"There is no database at {tmp_path / 'jobs.sqlite3'}" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["nonsense", "nosuch://x/y", "postgresql://user:hidden@127.0.0.1:1/jobs?connect_timeout=2"]
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(url: str) -> None:
    result = CliRunner().invoke(main, ["webhooks", "list", "--database", url])
    assert result.exit_code == 1
    assert "The database cannot be used" in result.output
    assert "hidden" not in result.output
