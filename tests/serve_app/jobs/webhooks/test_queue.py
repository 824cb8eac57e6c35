"""Rows: order, leases, several senders, on both databases."""

import json
import tempfile
import threading
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from serve_app.contracts.contract import Notice
from serve_app.jobs.storage.database import Database
from serve_app.jobs.webhooks import queue
from serve_app.jobs.webhooks.webhook import Webhook, rows_of

URL = "http://127.0.0.1:1/hook"
LEASE_S = 30.0


def add(database: Database, owner: str, *events: str, url: str = URL, now: float = 100.0) -> None:
    notices = [Notice(url, event, {"event": event}) for event in events]
    database.transact(lambda c: queue.add(c, rows_of(owner, notices, now)))


def claim(database: Database, now: float = 100.0, limit: int = 10, **options: Any) -> tuple[Webhook, ...]:
    return database.transact(lambda c: queue.claim(c, now, LEASE_S, limit, **options))


def delivered(database: Database, *rows: Webhook) -> None:
    for row in rows:
        database.transact(lambda c, row=row: queue.delivered(c, row, 101.0, 200))  # type: ignore[misc]


def failed(database: Database, row: Webhook, next_at: float | None) -> None:
    database.transact(lambda c: queue.failed(c, row, 101.0, next_at, error="It is down.", status=500))


def every(database: Database, **options: Any) -> list[Webhook]:
    found = database.transact(lambda c: queue.recent(c, **options))
    return sorted(found, key=lambda row: (row.owner, row.number))


def test_what_is_added_can_be_claimed_once(opened: Database) -> None:
    add(opened, "a", "start")
    (row,) = claim(opened)
    assert row.id.startswith("msg_")
    assert (row.owner, row.number, row.url, row.event, row.state) == ("a", 0, URL, "start", "pending")
    assert (row.attempts, row.lease_until, json.loads(row.body)) == (1, 130.0, {"event": "start"})
    assert claim(opened) == ()
    delivered(opened, row)
    assert claim(opened, 1e9) == ()
    (row,) = every(opened)
    assert (row.state, row.finished, row.last_status, row.last_error) == ("delivered", 101.0, 200, None)


def test_nothing_added_is_nothing(opened: Database) -> None:
    opened.transact(lambda c: queue.add(c, rows_of("a", [], 100.0)))
    assert every(opened) == []
    assert not opened.transact(lambda c: queue.due(c, 1e9))


def test_what_a_transaction_takes_back_was_never_there(opened: Database) -> None:
    def fails(connection: Any) -> None:
        queue.add(connection, rows_of("a", [Notice(URL, "start", {})], 100.0))
        raise KeyError

    with pytest.raises(KeyError):
        opened.transact(fails)
    assert every(opened) == []


def test_later_ones_wait_for_earlier_ones_of_their_owner_only(opened: Database) -> None:
    add(opened, "a", "start", "end")
    add(opened, "a", "job", now=99.0)
    add(opened, "b", "start")
    first, other = claim(opened)
    assert [(first.owner, first.event), (other.owner, other.event)] == [("a", "start"), ("b", "start")]
    delivered(opened, other)
    failed(opened, first, 200.0)
    assert claim(opened, 150.0) == ()
    (again,) = claim(opened, 200.0)
    assert (again.id, again.attempts, again.last_status, again.last_error) == (first.id, 2, 500, "It is down.")
    delivered(opened, again)
    (second,) = claim(opened, 200.0)
    assert second.event == "end"
    failed(opened, second, None)
    (third,) = claim(opened, 200.0)
    assert third.event == "job"
    assert [row.state for row in every(opened, owner="a")] == ["delivered", "dead", "pending"]


def test_a_lease_that_runs_out_is_taken_over(opened: Database) -> None:
    add(opened, "a", "start")
    (lost,) = claim(opened, 100.0)
    assert claim(opened, 129.0) == ()
    (found,) = claim(opened, 130.0)
    assert found.id == lost.id
    failed(opened, lost, None)  # too late to say so
    assert every(opened)[0].state == "pending"
    opened.transact(lambda c: queue.release(c, lost))
    assert claim(opened, 131.0) == ()
    delivered(opened, lost)  # a fact all the same
    failed(opened, found, None)
    assert every(opened)[0].state == "delivered"


def test_what_is_released_is_due_at_once(opened: Database) -> None:
    add(opened, "a", "start")
    (row,) = claim(opened)
    opened.transact(lambda c: queue.release(c, row))
    (again,) = claim(opened)
    assert (again.id, again.attempts) == (row.id, 1)


def test_a_full_destination_does_not_hide_the_others(opened: Database) -> None:
    for number in range(20):
        add(opened, f"slow{number:02}", "start", url="http://Slow.test/x", now=50.0)
    add(opened, "other", "start", url="http://slow.test:81/x", now=99.0)
    add(opened, "fast", "start", url="http://fast.test?x=1", now=100.0)
    found = claim(opened, limit=6, per_destination=3)
    assert [row.owner for row in found] == ["slow00", "slow01", "slow02", "other", "fast"]
    busy = Counter(row.destination for row in found)
    assert busy == {"http://slow.test/": 3, "http://slow.test:81/": 1, "http://fast.test/": 1}
    assert claim(opened, limit=6, per_destination=3, busy=busy) == ()
    assert not opened.transact(lambda c: queue.due(c, 100.0, per_destination=3, busy=busy))
    assert opened.transact(lambda c: queue.due(c, 100.0, per_destination=4, busy=busy))
    assert len(claim(opened, limit=6, per_destination=5, busy=busy)) == 2


@pytest.mark.parametrize(
    "url",
    ["ftp://a.test/", "http://u:p@a.test/", "no", "", "http://a/\0", "http://a/\ud800", "http://a/" + "x" * 9_000],
)
def test_what_cannot_be_called_is_dead_and_holds_up_nothing(opened: Database, url: str) -> None:
    add(opened, "a", "start", url=url)
    add(opened, "a", "end")
    (row,) = claim(opened)
    assert row.event == "end"
    dead = every(opened)[0]
    assert dead.state == "dead"
    assert dead.last_error
    assert dead.finished == 100.0
    assert len(dead.url) <= 9_000


def test_replays(opened: Database) -> None:
    add(opened, "a", "start", "end")
    add(opened, "b", "start", "end")
    for _ in range(2):
        delivered(opened, *claim(opened, 100.0, 1))
        failed(opened, claim(opened, 100.0, 1)[0], None)
    rows = every(opened)
    assert sorted(row.state for row in rows) == ["dead", "dead", "delivered", "delivered"]
    chosen = rows[0]
    assert opened.transact(lambda c: queue.replay(c, 500.0, webhook_id=chosen.id)) == 1
    (again,) = claim(opened, 500.0)
    assert (again.id, again.body, again.attempts) == (chosen.id, chosen.body, 1)
    delivered(opened, again)
    assert opened.transact(lambda c: queue.replay(c, 500.0, dead=True)) == 2
    assert opened.transact(lambda c: queue.replay(c, 500.0, owner="b")) == 2
    assert opened.transact(lambda c: queue.replay(c, 500.0, webhook_id="msg_none")) == 0
    with pytest.raises(ValueError, match="needs"):
        opened.transact(lambda c: queue.replay(c, 500.0))


def test_a_replay_leaves_the_lease_of_one_in_flight(opened: Database) -> None:
    add(opened, "a", "start")
    (row,) = claim(opened)
    opened.transact(lambda c: queue.replay(c, 100.0, webhook_id=row.id))
    assert claim(opened, 101.0) == ()
    opened.transact(lambda c: queue.release(c, row))
    assert claim(opened, 101.0)[0].attempts == 1


def test_lists_are_the_newest_first(opened: Database) -> None:
    for number in range(5):
        add(opened, f"job{number}", "start", now=100.0 + number)
    found = opened.transact(lambda c: queue.recent(c, limit=3))
    assert [row.owner for row in found] == ["job4", "job3", "job2"]
    assert opened.transact(lambda c: queue.recent(c, state="dead")) == ()


def test_only_what_is_finished_is_pruned(opened: Database) -> None:
    add(opened, "a", "start", "end")
    add(opened, "b", "start")
    one, two = claim(opened)
    delivered(opened, one)
    failed(opened, two, None)
    assert opened.transact(lambda c: queue.prune(c, 101.0)) == 0
    assert opened.transact(lambda c: queue.prune(c, 102.0)) == 2
    assert [(row.owner, row.event) for row in every(opened)] == [("a", "end")]
    add(opened, "a", "job")
    assert [row.event for row in every(opened)] == ["end", "job"]


def test_many_may_add_to_one_owner_at_once(opened: Database) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: add(opened, "a", "start", "end"), range(20)))
    assert [row.number for row in every(opened)] == list(range(40))


def test_many_claims_at_once_never_share_a_row(opened: Database) -> None:
    for number in range(60):
        add(opened, f"job{number}", "start", "end")
    taken: list[str] = []
    barrier = threading.Barrier(4)

    def work(_: int) -> None:
        barrier.wait()
        while rows := claim(opened, limit=7, per_destination=50):
            taken.extend(row.id for row in rows)
            delivered(opened, *rows)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert len(taken) == len(set(taken))
    assert set(taken) == {row.id for row in every(opened, limit=1_000) if row.state == "delivered"}
    left = [row for row in every(opened, limit=1_000) if row.state == "pending"]
    while rows := claim(opened, limit=500):
        delivered(opened, *rows)
        left = [row for row in left if row.id not in {found.id for found in rows}]
    assert left == []


class QueueMachine(RuleBasedStateMachine):
    """Senders that claim, finish, and die, in any order: nothing is lost, overtaken, or with two at once."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = Database.open(Path(self.folder.name), None, {})
        self.now = 100.0
        self.added = 0
        self.held: list[Webhook] = []
        self.numbers: Counter[str] = Counter()  # by owner
        self.expected: dict[tuple[str, str], list[int]] = defaultdict(list)  # by owner and URL

    @rule(owner=st.sampled_from("abc"), count=st.integers(1, 3), place=st.sampled_from("xy"))
    def add(self, owner: str, count: int, place: str) -> None:
        add(self.database, owner, *["job"] * count, url=f"http://{place}.test/", now=self.now)
        self.added += count
        for _ in range(count):
            self.expected[owner, f"http://{place}.test/"].append(self.numbers[owner])
            self.numbers[owner] += 1

    @rule(limit=st.integers(1, 4), share=st.integers(1, 3))
    def claim(self, limit: int, share: int) -> None:
        self.held = [row for row in self.held if row.lease_until > self.now]
        found = claim(self.database, self.now, limit, per_destination=share)
        assert len(found) <= limit
        assert max(Counter(row.destination for row in found).values(), default=0) <= share
        assert not {(row.owner, row.url) for row in found} & {(row.owner, row.url) for row in self.held}
        for row in found:
            assert row.number == self.expected[row.owner, row.url][0]
        self.held += found

    @rule(data=st.data(), outcome=st.sampled_from(["delivered", "dead", "again", "release"]))
    def finish(self, data: st.DataObject, outcome: str) -> None:
        if not self.held:
            return
        row = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        if row.lease_until <= self.now:
            return  # the sender died
        if outcome == "delivered":
            delivered(self.database, row)
        elif outcome == "release":
            self.database.transact(lambda c: queue.release(c, row))
        else:
            failed(self.database, row, None if outcome == "dead" else self.now + 10)
        if outcome in ("delivered", "dead"):
            self.expected[row.owner, row.url].remove(row.number)

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def nothing_is_lost(self) -> None:
        assert len(every(self.database, limit=1_000)) == self.added

    def teardown(self) -> None:
        self.now += 100
        rounds = 0
        while rows := claim(self.database, self.now, 100):
            delivered(self.database, *rows)
            rounds += 1
        assert rounds <= self.added
        assert all(row.state != "pending" for row in every(self.database, limit=1_000))
        self.database.close()
        self.folder.cleanup()


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(stateful_step_count=30, suppress_health_check=list(HealthCheck))
