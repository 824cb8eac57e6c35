"""How many jobs a worker asks for."""

from collections.abc import Iterable

LEAST, MOST = 16, 300


def concurrency(queues: Iterable[int]) -> int:
    """Jobs at once for models that admit so many requests each. It never changes, since the SDK would first wait
    for all jobs to end, and it is high, since the SDK takes about one job per second for each of them.
    """
    return min(MOST, max(LEAST, sum(queues) // 2))
