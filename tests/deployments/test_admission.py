"""Admission bounds cost and count, and its waiting times are honest."""

import pytest

from deployments.admission import Admission
from deployments.errors import Overloaded


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_accepts_up_to_the_cost_and_no_more() -> None:
    admission = Admission(100, 10)
    with admission.admit(60), admission.admit(40):
        assert admission.outstanding == 100
        with pytest.raises(Overloaded), admission.admit(1):
            pass
    assert admission.outstanding == 0
    assert admission.requests == 0


def test_a_lone_request_is_accepted_however_large() -> None:
    admission = Admission(100, 10)
    with admission.admit(5_000):
        assert admission.requests == 1
        with pytest.raises(Overloaded), admission.admit(0.1):
            pass


def test_bounds_the_number_of_requests() -> None:
    admission = Admission(100, 2)
    with (
        admission.admit(1),
        admission.admit(1),
        pytest.raises(Overloaded) as caught,
        admission.admit(1),
    ):
        pass
    assert caught.value.status == 429
    assert caught.value.retry_after_s >= 1


def test_work_done_makes_room() -> None:
    admission = Admission(100, 10)
    with admission.admit(100) as ticket:
        ticket.advance(30)
        ticket.advance(20)  # progress never goes back
        assert admission.outstanding == 70
        with admission.admit(30):
            pass


def test_a_true_cost_that_does_not_fit_is_refused_when_others_wait() -> None:
    admission = Admission(100, 10)
    with admission.admit(60), admission.admit(10) as ticket:
        ticket.resize(40)
        assert admission.outstanding == 100
        with pytest.raises(Overloaded):
            ticket.resize(41)
    with admission.admit(10) as ticket:
        ticket.resize(10_000)


def test_the_wait_follows_the_measured_rate() -> None:
    clock = Clock()
    admission = Admission(1_000, 10, clock)
    with admission.admit(1_000) as ticket:
        clock.now += 10
        ticket.advance(200)  # 20 a second
        with pytest.raises(Overloaded) as caught, admission.admit(300):
            pass
        assert caught.value.retry_after_s == pytest.approx(100 / 20)


def test_the_first_waits_follow_what_is_usual() -> None:
    clock = Clock()
    admission = Admission(1_000, 10, clock, usual_rate=100)

    def wait() -> float:
        with pytest.raises(Overloaded) as caught, admission.admit(1_000):
            pass
        return caught.value.retry_after_s

    with admission.admit(1_000) as ticket:
        assert wait() == pytest.approx(1_000 / 100, rel=0.05)
        clock.now += 10
        ticket.advance(500)  # 50 a second
        assert wait() == pytest.approx(500 / 50)
    clock.now += 3_600
    with admission.admit(1_000):
        assert wait() == pytest.approx(1_000 / 50, rel=0.05), "an idle hour is not forgotten work"
