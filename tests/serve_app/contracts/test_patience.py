"""Waiting while a model is full."""

from collections.abc import AsyncGenerator, Callable

import pytest

from deployments.errors import Overloaded
from serve_app.contracts.patience import patiently

FULL = Overloaded("full", retry_after_s=0.06)


def beginning(*runs: list[int | Overloaded]) -> Callable[[], AsyncGenerator[int]]:
    """Streams one after the other, each of items and at most one refusal."""
    left = iter(runs)

    async def run(items: list[int | Overloaded]) -> AsyncGenerator[int]:
        for item in items:
            if isinstance(item, Overloaded):
                raise item
            yield item

    return lambda: run(next(left))


async def collected(items: AsyncGenerator[int]) -> tuple[list[int], bool]:
    """The items, and whether a refusal ended them."""
    seen: list[int] = []
    try:
        async for item in items:
            seen.append(item)  # noqa: PERF401 - what came before the refusal counts
    except Overloaded:
        return seen, True
    return seen, False


async def test_a_refused_stream_is_begun_again() -> None:
    assert await collected(patiently(beginning([FULL], [FULL], [1, 2]), None)) == ([1, 2], False)


async def test_an_item_that_commits_makes_a_refusal_final() -> None:
    assert await collected(patiently(beginning([1, FULL], [1]), None)) == ([1], True)
    small = beginning([1, FULL], [1, 9, FULL])
    assert await collected(patiently(small, None, commits=lambda item: item > 5)) == ([1, 1, 9], True)


@pytest.mark.parametrize(("deadline", "refused"), [(100.05, True), (100.07, False)])
async def test_nobody_waits_beyond_the_deadline(deadline: float, refused: bool) -> None:
    items = patiently(beginning([FULL], [1]), deadline, lambda: 100.0)
    assert await collected(items) == ([] if refused else [1], refused)
