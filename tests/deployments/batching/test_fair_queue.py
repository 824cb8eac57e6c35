"""The queue's promises, for any order of arrivals: nothing lost, nothing twice, in order, compatible, fair."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from deployments.batching.fair_queue import FairQueue

OWNERS = range(5)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.sampled_from(OWNERS), st.sampled_from("xy")),
        st.tuples(st.just("leave"), st.sampled_from(OWNERS), st.none()),
        st.tuples(st.just("take"), st.integers(1, 4), st.none()),
    ),
    max_size=120,
)


def at_most(most: int) -> Callable[[object], int]:
    """The same limit for every key."""
    return lambda key: most


@given(ACTIONS)
def test_nothing_is_lost_duplicated_reordered_or_mixed(actions: list[tuple[str, int, str | None]]) -> None:
    queue: FairQueue[tuple[int, str, int]] = FairQueue()
    waiting: dict[int, list[tuple[int, str, int]]] = {}
    for number, (action, value, key) in enumerate(actions):
        if action == "push":
            if value not in waiting:
                queue.join(value)
                waiting[value] = []
            item = (value, str(key), number)
            queue.push(value, key, item)
            waiting[value].append(item)
        elif action == "leave":
            queue.leave(value)
            waiting.pop(value, None)
        else:
            batch = queue.next_batch(at_most(value))
            assert len(batch) <= value
            assert bool(batch) == any(waiting.values())
            assert len({item[1] for item in batch}) <= 1
            for item in batch:
                assert waiting[item[0]].pop(0) == item
        assert len(queue) == sum(map(len, waiting.values()))
    while batch := queue.next_batch(at_most(3)):
        for item in batch:
            assert waiting[item[0]].pop(0) == item
    assert not any(waiting.values())


@given(st.lists(st.integers(1, 30), min_size=2, max_size=6), st.integers(1, 4))
def test_owners_who_all_wait_are_served_evenly(loads: list[int], limit: int) -> None:
    queue: FairQueue[int] = FairQueue()
    for owner, load in enumerate(loads):
        queue.join(owner)
        for _ in range(load):
            queue.push(owner, "k", owner)
    served = [0] * len(loads)
    while batch := queue.next_batch(at_most(limit)):
        for owner in batch:
            served[owner] += 1
        busy = [count for count, load in zip(served, loads, strict=True) if count < load]
        if len(busy) > 1:
            assert max(busy) - min(busy) <= 1
    assert served == loads


def test_a_newcomer_does_not_wait_behind_a_long_file() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.join("long")
    for _ in range(100):
        queue.push("long", "k", "long")
    for _ in range(50):
        queue.next_batch(at_most(1))
    queue.join("short")
    queue.push("short", "k", "short")
    assert "short" in queue.next_batch(at_most(1)) + queue.next_batch(at_most(1))


def test_a_silent_owner_gathers_no_claim() -> None:
    queue: FairQueue[str] = FairQueue()
    for owner in ("busy", "silent"):
        queue.join(owner)
    for _ in range(40):
        queue.push("busy", "k", "busy")
    for _ in range(20):
        queue.next_batch(at_most(1))
    for _ in range(20):
        queue.push("silent", "k", "silent")
    taken = [queue.next_batch(at_most(1))[0] for _ in range(20)]
    assert 9 <= taken.count("busy") <= 11


def test_an_odd_key_is_led_to_its_turn() -> None:
    queue: FairQueue[str] = FairQueue()
    for owner, key in (("a", "x"), ("b", "y"), ("c", "x")):
        queue.join(owner)
        for _ in range(10):
            queue.push(owner, key, owner)
    assert queue.fills_a_batch(at_most(20))
    assert not queue.fills_a_batch(at_most(21))
    turns = [queue.next_batch(at_most(4)) for _ in range(6)]
    assert any("b" in batch for batch in turns[:3])
