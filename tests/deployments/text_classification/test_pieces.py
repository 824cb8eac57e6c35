"""Pieces of long texts: nothing is left out, nothing is cut where it counts, no piece is too long."""

from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.text_classification.pieces import LONGEST_WORD, SHARE, halves, pieces_of

HATE = "they are vermin all of them"
HARMLESS = (
    "Good morning.",
    "Please turn the light on!",
    "open the door",
    "你好。再见！",
    "Is it 3.14 or so?\n",
    "x" * 50,
)
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(HARMLESS), max_size=60).map(" ".join),
    st.text(st.sampled_from("ab.。 \n"), max_size=200),
)


def words_of(texts: Sequence[str]) -> list[int]:
    """A fake tokenizer: a token for every four characters begun."""
    return [-(-len(text) // 4) for text in texts]


def pieces(text: str, most: int) -> list[str]:
    return [text[begin:end] for begin, end in pieces_of(text, words_of, most)]


@given(TEXTS, st.integers(4, 64))
def test_pieces_are_all_of_the_text(text: str, most: int) -> None:
    covered = [False] * len(text)
    for begin, end in pieces_of(text, words_of, most):
        covered[begin:end] = [True] * (end - begin)
    assert all(seen or sign.isspace() for seen, sign in zip(covered, text, strict=True))


@given(TEXTS, st.integers(4, 64))
def test_pieces_are_short(text: str, most: int) -> None:
    for piece in pieces(text, most):
        # every word was counted by itself, and a cut word has less than its share
        assert sum(words_of(piece.split())) <= most + 1 + len(piece) // (4 * most)


@given(TEXTS, st.integers(8, 40), st.data())
def test_no_stretch_of_a_third_escapes(text: str, most: int, data: st.DataObject) -> None:
    """Whatever is that long is whole in one piece, wherever it begins."""
    length = most // 3
    begin = data.draw(st.integers(0, max(0, len(text) - length)))
    stretch = text[begin : begin + length].strip()
    assert any(stretch in piece for piece in pieces(text, most)) or not stretch


@given(
    st.lists(st.sampled_from(HARMLESS), max_size=80),
    st.integers(0, 80),
    st.sampled_from([HATE, f"{HATE}.", HATE.replace(" ", "\n"), HATE.replace(" ", ". ")]),
    st.sampled_from([" ", ". ", "\n", ", "]),
)
def test_hate_is_seen_by_a_model_that_sees_little(
    harmless: list[str], place: int, hate: str, separator: str
) -> None:
    """Of every text it reads 24 tokens."""

    def sees(text: str) -> bool:
        words = text.split()
        read = [word for word, end in zip(words, accumulate(words_of(words)), strict=True) if end <= 24]
        return HATE in " ".join(" ".join(read).replace(".", " ").split())

    text = separator.join([*harmless[:place], hate, *harmless[place:]])
    assert any(map(sees, pieces(text, 24)))
    assert not any(map(sees, pieces(separator.join(harmless) or "a", 24)))


def test_sentences_are_pieces() -> None:
    text = 'Good morning to you all. He said "no!" Then (it was 3.14 or more) we went on, and on.\nThe end'
    found = pieces(text, 12)
    assert {"Good morning to you all.", 'He said "no!"', "The end"} <= set(found)
    assert {"你好。", "再见！"} <= set(pieces("你好。再见！" * 20, 12))


def test_what_has_no_words_is_one_piece() -> None:
    assert pieces("", 8) == [""]
    assert pieces(" \n", 8) == [" \n"]


def test_long_words_are_cut() -> None:
    found = pieces("x" * 1_000, 16)
    assert max(map(len, found)) <= 64
    assert LONGEST_WORD > 16 // SHARE * 4


def test_equal_words_are_counted_once() -> None:
    counted: list[str] = []

    def count(texts: Sequence[str]) -> list[int]:
        counted.extend(texts)
        return words_of(texts)

    pieces_of("one two " * 1_000, count, 32)
    assert counted == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one two", ("one", " two")),
        ("abcd", ("ab", "cd")),
        ("a b c d e f", ("a b c", " d e f")),
        ("a", None),
        ("", None),
    ],
)
def test_halves(text: str, parts: tuple[str, str] | None) -> None:
    assert halves(text) == parts


@given(st.text(min_size=2, max_size=40))
def test_halves_are_shorter_and_all(text: str) -> None:
    parts = halves(text)
    assert parts is not None
    assert "".join(parts) == text
    assert all(parts)
