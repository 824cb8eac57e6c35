"""Bounds the work that a replica has accepted, by cost and by count, and estimates when there will be room."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator

from deployments.errors import Overloaded

RATE_WINDOW_S = 60.0
LONGEST_WAIT_S = 600.0
USUAL_S = 5.0  # seconds of work until which the usual rate counts for the present one


class Ticket:
    """An accepted request's share of the work. ``outstanding`` is what is left of its cost."""

    def __init__(self, admission: "Admission", cost: float) -> None:
        self._admission = admission
        self._cost = cost
        self._done = 0.0

    @property
    def outstanding(self) -> float:
        """Cost that is not done yet."""
        return max(0.0, self._cost - self._done)

    def resize(self, cost: float) -> None:
        """The true cost became known. Raises Overloaded if it does not fit and others are being served."""
        self._admission.check(cost - self.outstanding, besides=self)
        self._cost = self._done + cost

    def advance(self, done: float) -> None:
        """``done`` of the cost, in all, has been worked off. A cost that proves too small grows with it."""
        if done > self._done:
            self._admission.record(done - self._done)
            self._done = done
            self._cost = max(self._cost, done)


class Admission:
    """Accepts requests while their outstanding cost fits into ``max_cost`` and they are at most ``max_requests``.

    A request that finds nobody else is always accepted, however large, so that a bound below the largest
    permitted request refuses nobody for ever. ``usual_rate`` is the cost per second to expect at the start.
    """

    def __init__(
        self,
        max_cost: float,
        max_requests: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        usual_rate: float = 1.0,
    ) -> None:
        self._max_cost = max_cost
        self._usual_rate = usual_rate
        self._max_requests = max_requests
        self._clock = clock
        self._tickets: set[Ticket] = set()
        self._finished: deque[tuple[float, float]] = deque()
        self._since = clock()

    @property
    def outstanding(self) -> float:
        """Cost of everything accepted and not yet done."""
        return sum(ticket.outstanding for ticket in self._tickets)

    @property
    def requests(self) -> int:
        """Requests accepted and not yet done."""
        return len(self._tickets)

    @contextlib.contextmanager
    def admit(self, cost: float) -> Iterator[Ticket]:
        """A place for one request. Raises Overloaded, at once, if there is none."""
        if len(self._tickets) >= self._max_requests:
            raise self._overloaded(self.outstanding / len(self._tickets))
        self.check(cost)
        ticket = Ticket(self, cost)
        if not self._tickets:  # idle time says nothing about the rate
            self._since = self._clock()
            self._finished.clear()
        self._tickets.add(ticket)
        try:
            yield ticket
        finally:
            self._tickets.discard(ticket)
            if not self._tickets:
                self._usual_rate = self._rate()

    def check(self, more: float, besides: Ticket | None = None) -> None:
        """Raise Overloaded if ``more`` cost does not fit."""
        others = any(ticket is not besides for ticket in self._tickets)
        excess = self.outstanding + more - self._max_cost
        if excess > 0 and others:
            raise self._overloaded(excess)

    def record(self, done: float) -> None:
        """Count finished cost for the estimate of the rate."""
        now = self._clock()
        self._finished.append((now, done))
        while now - self._finished[0][0] > RATE_WINDOW_S:
            self._finished.popleft()

    def _overloaded(self, excess: float) -> Overloaded:
        wait = min(max(excess / self._rate(), 1.0), LONGEST_WAIT_S)
        return Overloaded("The queue is full. Try again later.", retry_after_s=wait)

    def _rate(self) -> float:
        """Cost worked off per second, over the last minute of work; at its beginning, what was usual before."""
        now = self._clock()
        elapsed = min(RATE_WINDOW_S, max(now - self._since, 0.1))
        recent = sum(done for when, done in self._finished if now - when <= RATE_WINDOW_S)
        known = max(0.0, USUAL_S - elapsed)
        return max((recent + known * self._usual_rate) / (elapsed + known), 1.0)
