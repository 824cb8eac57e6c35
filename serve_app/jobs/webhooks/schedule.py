"""When a webhook that was not taken is sent again."""

import random
from dataclasses import dataclass

MINUTE_S, HOUR_S = 60.0, 3_600.0
DELAYS_S = (5.0, 30.0, 2 * MINUTE_S, 10 * MINUTE_S, HOUR_S, 3 * HOUR_S, 6 * HOUR_S)
LONGEST_WAIT_S = 6 * HOUR_S
JITTER = 0.2
GONE = 410


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """An attempt that was not taken. ``status`` None: there was no answer. ``final``: another try is useless."""

    message: str
    status: int | None = None
    retry_after_s: float | None = None
    final: bool = False


def next_delay_s(failure: DeliveryFailure, attempts: int, limit: int, jitter: float | None = None) -> float | None:
    """Seconds until the next try after ``attempts`` of at most ``limit``; None if there is none.

    The delays grow to six hours. ``Retry-After`` makes one longer, to six hours at most, but never shorter: a
    receiver could otherwise use up all tries within seconds. Everything but 410 is tried again, also answers that
    blame the request, since a receiver may be repaired. ``jitter`` from 0 to 1 replaces a random number, which
    adds up to a fifth so that not all come back at once.
    """
    if failure.final or failure.status == GONE or attempts >= limit:
        return None
    delay = max(DELAYS_S[min(attempts, len(DELAYS_S)) - 1], min(failure.retry_after_s or 0.0, LONGEST_WAIT_S))
    return delay * (1 + JITTER * (random.random() if jitter is None else jitter))
