"""When a failed attempt is followed by another one."""

import pytest

from deployments.errors import AntiphonError, DeadlineExceeded, InternalError, InvalidRequest, ModelUnavailable
from serve_app.jobs.retry_policy import BACKOFF_S, is_timeout, retry_delay_s


@pytest.mark.parametrize("error", [InternalError("broken"), ModelUnavailable("away"), DeadlineExceeded("slow")])
def test_failures_of_ours_are_tried_again_ever_later(error: AntiphonError) -> None:
    assert [retry_delay_s(error, number, 4) for number in (1, 2, 3)] == [BACKOFF_S, 2 * BACKOFF_S, 4 * BACKOFF_S]


def test_the_last_attempt_and_the_clients_mistakes_are_final() -> None:
    assert retry_delay_s(InternalError("broken"), 4, 4) is None
    assert retry_delay_s(InvalidRequest("wrong"), 1, 4) is None


def test_only_a_deadline_that_has_come_ends_the_job() -> None:
    assert is_timeout(DeadlineExceeded("slow"), 99.6, 100)
    assert not is_timeout(DeadlineExceeded("slow"), 99.4, 100)
    assert not is_timeout(InternalError("broken"), 101, 100)
