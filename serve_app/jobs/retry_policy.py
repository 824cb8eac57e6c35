"""Whether an attempt that failed is followed by another one, and when."""

from deployments.errors import AntiphonError, ClientError, DeadlineExceeded

BACKOFF_S = 1.0  # before the second attempt; twice as long before every further one
CLOSE_TO_DEADLINE_S = 0.5


def is_timeout(error: AntiphonError, now: float, deadline: float) -> bool:
    """Whether a failure at ``now`` means that the job's time is over, and not that of something within it."""
    return isinstance(error, DeadlineExceeded) and now >= deadline - CLOSE_TO_DEADLINE_S


def retry_delay_s(error: AntiphonError, attempts: int, most: int) -> float | None:
    """Seconds from the failure of attempt number ``attempts``, of at most ``most``, to the next one. None if there
    is none: what is the client's own mistake stays one.
    """
    if isinstance(error, ClientError) or attempts >= most:
        return None
    return BACKOFF_S * 2.0 ** (attempts - 1)
