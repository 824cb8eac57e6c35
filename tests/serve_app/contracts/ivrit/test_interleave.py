"""Several streams as one."""

import asyncio
from collections.abc import AsyncGenerator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.contracts.ivrit.interleave import interleaved


async def counting(name: int, count: int) -> AsyncGenerator[tuple[int, int]]:
    for number in range(count):
        await asyncio.sleep(0)
        yield name, number


@given(st.lists(st.integers(0, 5), max_size=6), st.integers(1, 4))
async def test_nothing_is_lost_and_each_stream_keeps_its_order(counts: list[int], at_once: int) -> None:
    makers = [partial(counting, name, count) for name, count in enumerate(counts)]
    found = [item async for item in interleaved(makers, at_once)]
    for name, count in enumerate(counts):
        assert [number for found_name, number in found if found_name == name] == list(range(count))
    assert len(found) == sum(counts)


async def test_an_error_ends_the_others() -> None:
    closed = []

    async def endless(name: str) -> AsyncGenerator[str]:
        try:
            yield name
            await asyncio.Event().wait()
        finally:
            closed.append(name)

    async def failing() -> AsyncGenerator[str]:
        yield "c"
        raise ValueError("a reason")

    items = interleaved([partial(endless, "a"), partial(endless, "b"), failing], 3)
    assert sorted([await anext(items) for _ in range(3)]) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="a reason"):
        await asyncio.wait_for(anext(items), 5)
    assert sorted(closed) == ["a", "b"]


async def test_a_slow_reader_holds_the_streams_back() -> None:
    made = 0

    async def endless() -> AsyncGenerator[int]:
        nonlocal made
        while True:
            made += 1
            yield made

    items = interleaved([endless, endless], 2)
    await anext(items)
    for _ in range(50):
        await asyncio.sleep(0)
    assert made <= 6
    await items.aclose()
