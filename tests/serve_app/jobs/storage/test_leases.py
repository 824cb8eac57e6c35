"""Random lives of jobs: whatever clients and runners do, and whenever they die, the rows stay true."""

import itertools
import tempfile
from collections import Counter
from pathlib import Path

import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from serve_app.jobs.options import JobOptions
from serve_app.jobs.storage import job_rows, leases
from serve_app.jobs.storage.database import Database
from serve_app.jobs.storage.leases import ChunkRow, Ending, Lease, shares
from serve_app.jobs.storage.tables import chunks, jobs
from serve_app.jobs.types import Job, JobConflict

ENDPOINTS = ("a", "b", "c")
TARGETS = {"ab": ["a", "b"], "c": ["c"]}
LEASE_S = 10.0


@given(st.integers(0, 50), st.dictionaries(st.text(max_size=3), st.integers(0, 20), max_size=6))
def test_shares_are_fair(room: int, wanted: dict[str, int]) -> None:
    found = shares(room, wanted)
    assert sum(found.values()) == min(room, sum(wanted.values()))
    assert all(0 < share <= wanted[name] for name, share in found.items())
    short = [found.get(name, 0) for name, most in wanted.items() if found.get(name, 0) < most]
    assert not short or max(found.values(), default=0) <= min(short) + 1


class Lives(RuleBasedStateMachine):
    """The rows, and beside them what has to be true of them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = Database.open(Path(self.folder.name))
        self.now = 1_000.0
        self.numbers = itertools.count()
        self.sent: dict[str, str] = {}
        self.leases: list[Lease] = []  # all that were ever given
        self.written: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.ends_allowed: Counter[str] = Counter()
        self.drained: dict[str, list[str]] = {}

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    @rule(endpoint=st.sampled_from(ENDPOINTS), low=st.booleans())
    def submit(self, endpoint: str, low: bool) -> None:
        job_id = f"job-{next(self.numbers)}"
        options = JobOptions(low_priority=low)
        job = Job(job_id, endpoint, "IN_QUEUE", self.now, self.now + 1e6, options)
        self.database.transact(lambda c: job_rows.add(c, job, "null"))
        self.sent[job_id] = endpoint
        self.ends_allowed[job_id] = 1
        self.drained[job_id] = []

    @rule(seconds=st.sampled_from([0.5, 6.0, 11.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @rule(room=st.integers(1, 4), worker=st.sampled_from(["x", "y"]))
    def take(self, room: int, worker: str) -> None:
        free = dict.fromkeys(TARGETS, 3)
        found = self.database.transact(lambda c: leases.take(c, room, free, TARGETS, worker, self.now, LEASE_S))
        assert len(found) <= room
        assert max(Counter(lease.job.endpoint == "c" for lease in found).values(), default=0) <= 3
        self.leases += found

    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        if self.leases:
            lease = data.draw(st.sampled_from(self.leases))
            row = ChunkRow(f'"{lease.job.id}-{next(self.numbers)}"', 0, 1.0)
            if self.database.transact(lambda c: leases.write(c, lease, [row])):
                assert lease.token == self.token(lease.job.id)
                self.written[lease.job.id] += 1

    @rule(data=st.data(), status=st.sampled_from(["COMPLETED", "FAILED", "TIMED_OUT"]))
    def finish(self, data: st.DataObject, status: str) -> None:
        if self.leases:
            lease = data.draw(st.sampled_from(self.leases))
            ending = Ending(status, job_rows.CHUNKS if status == "COMPLETED" else None)  # type: ignore[arg-type]
            if self.database.transact(lambda c: leases.finish(c, lease, ending, self.now, 1e6)):
                self.ended[lease.job.id] += 1

    @rule(data=st.data())
    def extend_or_put_back(self, data: st.DataObject) -> None:
        if self.leases:
            lease = data.draw(st.sampled_from(self.leases))
            if data.draw(st.booleans()):
                self.database.transact(lambda c: leases.extend(c, [lease.token], self.now + LEASE_S))
            else:
                self.database.transact(lambda c: leases.put_back(c, lease, self.now, counted=True))

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.sent:
            job_id, endpoint = data.draw(st.sampled_from(sorted(self.sent.items())))
            before = self.status(job_id)
            found = self.database.transact(lambda c: job_rows.cancel(c, endpoint, job_id, self.now, 1e6))
            assert found.job.final
            if before in ("IN_QUEUE", "IN_PROGRESS"):
                self.ended[job_id] += 1
                assert found.job.status == "CANCELLED"

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        if self.sent:
            job_id, endpoint = data.draw(st.sampled_from(sorted(self.sent.items())))
            before = self.status(job_id)
            try:
                self.database.transact(lambda c: job_rows.retry(c, endpoint, job_id, self.now))
            except JobConflict:
                assert before not in ("FAILED", "TIMED_OUT")
                return
            assert before in ("FAILED", "TIMED_OUT")
            self.ends_allowed[job_id] += 1
            self.written[job_id] = 0
            self.drained[job_id] = []

    @rule(data=st.data())
    def drain(self, data: st.DataObject) -> None:
        if self.sent:
            job_id = data.draw(st.sampled_from(sorted(self.sent)))
            cells, last = self.database.transact(lambda c: job_rows.drain(c, job_id))
            self.drained[job_id] += cells
            assert last
            assert len(self.drained[job_id]) == self.written[job_id]

    @invariant()
    def every_job_ends_once(self) -> None:
        for job_id, times in self.ended.items():
            assert times <= self.ends_allowed[job_id]
        rows = self.database.transact(lambda c: c.execute(sqlalchemy.select(jobs)).all(), reads=True)
        assert {row.id for row in rows} == set(self.sent)
        for row in rows:
            final = row.status in ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
            assert final == (self.ended[row.id] == self.ends_allowed[row.id])
            assert row.chunks == self.written[row.id]
            assert not (final and row.lease)
        count = sqlalchemy.select(sqlalchemy.func.count()).select_from(chunks)
        total = self.database.transact(lambda c: c.execute(count).scalar_one(), reads=True)
        assert total == sum(self.written.values())

    def status(self, job_id: str) -> str:
        wanted = sqlalchemy.select(jobs.c.status).where(jobs.c.id == job_id)
        return str(self.database.transact(lambda c: c.execute(wanted).scalar_one(), reads=True))

    def token(self, job_id: str) -> str | None:
        wanted = sqlalchemy.select(jobs.c.lease).where(jobs.c.id == job_id)
        return self.database.transact(lambda c: c.execute(wanted).scalar_one(), reads=True)


Lives.TestCase.settings = settings(stateful_step_count=40)
TestLives = Lives.TestCase
