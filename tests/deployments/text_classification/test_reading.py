"""Texts as inputs of an engine, with one that counts a token for every character."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import PayloadTooLarge
from deployments.text_classification.engine import EncodedText
from deployments.text_classification.pieces import pieces_of
from deployments.text_classification.reading import (
    OVERLAP_CHARS,
    PORTION_CHARS,
    PORTION_TEXTS,
    Reader,
    portions,
    sections,
)


class Letters:
    """Reads ``max_tokens`` characters of a text."""

    max_tokens = 40
    piece_tokens = 16

    def encode(self, texts: Sequence[str]) -> list[EncodedText]:
        return [
            EncodedText(tuple(map(ord, text[: self.max_tokens])), len(text) > self.max_tokens, 64)
            for text in texts
        ]

    def pieces(self, text: str) -> list[str]:
        spans = pieces_of(text, lambda texts: list(map(len, texts)), self.piece_tokens)
        return [text[begin:end] for begin, end in spans]


async def now(work: Any, *args: Any) -> Any:
    """Takes the place of a thread."""
    return work(*args)


def reader(most_pieces: int = 1_000) -> Reader:
    engine: Any = Letters()
    return Reader(engine, now, most_pieces)


def text_of(encoded: EncodedText) -> str:
    return "".join(map(chr, encoded.ids))


SHORT, MIDDLING, LONG = "one two", "one two three four five", "one two three four five six seven eight nine ten"


async def test_whole_texts_are_cut_where_the_model_ends() -> None:
    reading = await reader().read([SHORT, LONG], "always")
    assert [(text_of(one), one.truncated) for one in reading.inputs] == [(SHORT, False), (LONG[:40], True)]
    (_, cut) = reading.scores(["a"], [[0.1], [0.2]])
    assert (cut.truncated, cut.pieces, cut.tokens, cut.scores) == (True, 1, 40, {"a": 0.2})


async def test_texts_that_fit_are_whole_if_asked_for() -> None:
    reading = await reader().read([MIDDLING, LONG], "if it fits")
    assert text_of(reading.inputs[0]) == MIDDLING
    assert list(reading.owners).count(0) == 1
    assert list(reading.owners).count(1) > 3
    assert not any(one.truncated for one in reading.inputs)


async def test_of_every_label_the_highest_counts() -> None:
    reading = await reader().read([SHORT, MIDDLING], "if it is short")
    rows = [[0.1, 0.9]] + [[index / 10, 0.5 - index / 10] for index in range(1, len(reading.inputs))]
    short, middling = reading.scores(["bad", "good"], rows)
    assert (short.scores, short.pieces) == ({"bad": 0.1, "good": 0.9}, 1)
    assert middling.pieces == len(rows) - 1
    assert middling.scores == {"bad": (len(rows) - 1) / 10, "good": 0.4}
    assert middling.tokens == sum(len(one.ids) for one in reading.inputs[1:])
    assert not middling.truncated


async def test_words_that_hide_behind_emoji_are_read_without_them_too() -> None:
    reading = await reader().read(["v😀e😀r\u200bmin"], "if it is short")
    assert [text_of(one) for one in reading.inputs] == ["v😀e😀r\u200bmin", "vermin"]
    assert list(reading.owners) == [0, 0]
    reading = await reader().read(["@all HTTP://vermin"], "if it is short")
    assert [text_of(one) for one in reading.inputs][-1] == "all vermin"
    assert len((await reader().read(["so 😀 good 😀"], "if it is short")).inputs) == 1


async def test_too_many_pieces_are_refused_for_clients_only() -> None:
    for param in ("input", None):
        reading = reader(most_pieces=3).read([LONG], "if it is short", param)
        if param is None:
            assert len((await reading).inputs) > 3
            continue
        with pytest.raises(PayloadTooLarge, match="more than 3 pieces") as refusal:
            await reading
        assert refusal.value.param == param


async def test_what_a_piece_is_too_long_for_is_halved() -> None:
    engine: Any = Letters()
    engine.pieces = lambda text: [text]
    reading = await Reader(engine, now, 1_000).read(["x" * 1_000], "if it is short")
    assert "".join(map(text_of, reading.inputs)) == "x" * 1_000
    assert not any(one.truncated for one in reading.inputs)


@given(
    st.lists(st.sampled_from(["good", "day", "sun.", "well,", "yes\n"]), min_size=0, max_size=4_000),
    st.integers(0, 4_000),
)
async def test_nothing_escapes_in_texts_of_any_length(harmless: list[str], place: int) -> None:
    text = " ".join([*harmless[:place], "vermin", *harmless[place:]])
    reading = await reader().read([text], "if it is short")
    assert any("vermin" in text_of(one) for one in reading.inputs)


@given(st.lists(st.text(max_size=40_000) | st.just("x" * 9_000), min_size=1, max_size=200))
def test_portions_are_the_texts_in_order(texts: list[str]) -> None:
    parts = list(portions(texts))
    assert [text for portion in parts for text in portion] == texts
    for portion in parts:
        assert 1 <= len(portion) <= PORTION_TEXTS
        assert len(portion) == 1 or sum(map(len, portion)) <= PORTION_CHARS


@given(st.integers(0, 5 * PORTION_CHARS), st.data())
def test_sections_overlap(size: int, data: st.DataObject) -> None:
    parts = sections("x" * size)
    assert (parts[0][0], parts[-1][1]) == (0, size)
    assert all(end - begin <= PORTION_CHARS for begin, end in parts)
    begin = data.draw(st.integers(0, max(0, size - OVERLAP_CHARS)))
    end = min(size, begin + OVERLAP_CHARS)
    assert any(first <= begin and end <= last for first, last in parts), "whole in one of them"
