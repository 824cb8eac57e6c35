"""Jobs of all live requests, in the order in which a fair server takes them. Plain data, no clock, no tasks.

Each request (*owner*) has a first-in-first-out lane. The next batch is led by the owner that has been served
least so far, and filled with jobs of other owners that may share a batch with it, least served first, one job
of each at a time. A request that comes in starts where the least served one stands, so it neither waits behind a
large one nor starves it.
"""

import itertools
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Limit = Callable[[object], int]  # the largest batch of items with a key


@dataclass(slots=True)
class _Lane(Generic[Item]):
    served: float
    arrival: int
    waiting: deque[tuple[object, Item]] = field(default_factory=deque)


class FairQueue(Generic[Item]):
    """Lanes by owner. ``len()`` is the number of waiting items."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, _Lane[Item]] = {}
        self._size = 0
        self._arrivals = 0

    def __len__(self) -> int:
        return self._size

    def join(self, owner: Hashable) -> None:
        """A request begins. Its items may be pushed until ``leave``."""
        served = min((lane.served for lane in self._lanes.values()), default=0.0)
        self._lanes[owner] = _Lane(served, self._arrivals)
        self._arrivals += 1

    def leave(self, owner: Hashable) -> None:
        """A request ends; what it still has waiting is dropped."""
        lane = self._lanes.pop(owner, None)
        if lane is not None:
            self._size -= len(lane.waiting)

    def push(self, owner: Hashable, key: object, item: Item) -> None:
        """Add an item to its owner's lane. Items with equal keys may share a batch."""
        lane = self._lanes[owner]
        if not lane.waiting:  # time in which nothing waited is no claim to more than the others later
            lane.served = max([lane.served, *sorted(o.served for o in self._lanes.values() if o.waiting)[:1]])
        lane.waiting.append((key, item))
        self._size += 1

    def next_batch(self, limit: Limit) -> list[Item]:
        """Take as many compatible items as their key's limit permits, at least one if any waits."""
        order = self._by_service()
        if not order:
            return []
        key = order[0].waiting[0][0]
        most = max(1, limit(key))
        batch: list[Item] = []
        while len(batch) < most:
            taken = [lane for lane in order if lane.waiting and lane.waiting[0][0] == key]
            taken = taken[: most - len(batch)]
            if not taken:
                break
            for lane in taken:
                batch.append(lane.waiting.popleft()[1])
                lane.served += 1
                self._size -= 1
        return batch

    def fills_a_batch(self, limit: Limit) -> bool:
        """Whether the next batch would be as large as its limit permits."""
        order = self._by_service()
        if not order:
            return False
        key = order[0].waiting[0][0]
        waiting = (item for lane in order for item in _prefix(lane, key))
        return sum(1 for _ in itertools.islice(waiting, limit(key))) >= limit(key)

    def _by_service(self) -> list[_Lane[Item]]:
        waiting = (lane for lane in self._lanes.values() if lane.waiting)
        return sorted(waiting, key=lambda lane: (lane.served, lane.arrival))


def _prefix(lane: _Lane[Item], key: object) -> Iterator[Item]:
    for other, item in lane.waiting:
        if other != key:
            return
        yield item
