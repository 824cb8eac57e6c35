"""How long accepted work waits for room at a model that is full, before it asks again."""

from deployments.errors import Overloaded

SHORTEST_S, LONGEST_S = 0.05, 30.0


def wait_for_room_s(error: Overloaded) -> float:
    """What the model says, within bounds."""
    return min(max(SHORTEST_S, error.retry_after_s), LONGEST_S)
