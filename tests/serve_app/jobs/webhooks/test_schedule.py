"""Growing delays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.jobs.webhooks.schedule import DELAYS_S, JITTER, LONGEST_WAIT_S, DeliveryFailure, next_delay_s


def test_delays_grow_to_the_longest_one() -> None:
    found = [next_delay_s(DeliveryFailure("down"), n, 10, jitter=0) for n in range(1, 11)]
    assert found == [5, 30, 120, 600, 3_600, 10_800, 21_600, 21_600, 21_600, None]


@pytest.mark.parametrize("status", [302, 400, 401, 404, 408, 409, 422, 425, 429, 500, 502, 503, 504, None])
def test_almost_everything_is_tried_again(status: int | None) -> None:
    assert next_delay_s(DeliveryFailure("no", status), 1, 10) is not None


@pytest.mark.parametrize("failure", [DeliveryFailure("gone", 410), DeliveryFailure("private", final=True)])
def test_some_failures_are_final(failure: DeliveryFailure) -> None:
    assert next_delay_s(failure, 1, 10) is None


def test_retry_after_is_a_lower_bound_within_bounds() -> None:
    assert next_delay_s(DeliveryFailure("busy", 429, 60), 1, 10, jitter=0) == 60
    assert next_delay_s(DeliveryFailure("busy", 429, 60), 4, 10, jitter=0) == 600
    assert next_delay_s(DeliveryFailure("busy", 429, 1e9), 1, 10, jitter=0) == LONGEST_WAIT_S


@given(
    st.integers(1, 40),
    st.integers(1, 20),
    st.none() | st.floats(0, allow_nan=False, allow_infinity=False),
    st.none() | st.integers(300, 599),
)
def test_every_delay_is_bounded(
    attempts: int, limit: int, retry_after_s: float | None, status: int | None
) -> None:
    delay = next_delay_s(DeliveryFailure("no", status, retry_after_s), attempts, limit)
    if attempts >= limit or status == 410:
        assert delay is None
    else:
        assert delay is not None
        assert DELAYS_S[0] <= delay <= LONGEST_WAIT_S * (1 + JITTER)
        assert delay >= min(retry_after_s or 0, LONGEST_WAIT_S)


def test_not_all_come_back_at_once() -> None:
    assert len({next_delay_s(DeliveryFailure("down"), 3, 10) for _ in range(20)}) > 1
