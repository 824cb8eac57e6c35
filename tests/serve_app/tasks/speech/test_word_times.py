"""Times of a text's words, from words that were heard."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.tasks.speech.word_times import TimedWord, word_times, words_of


def heard(*words: tuple[str, float, float]) -> list[TimedWord]:
    return [TimedWord(*word) for word in words]


def shown(times: list[TimedWord]) -> list[tuple[str, float, float]]:
    return [(one.text, round(one.start, 3), round(one.end, 3)) for one in times]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I can’t believe it's 3.5 — (really)!", ["I", "can’t", "believe", "it's", "3.5", "really"]),
        ("well-known e.g. U.S.", ["well-known", "e.g", "U.S"]),
        ("你好，world。", ["你", "好", "world"]),
        ("これはテスト", list("これはテスト")),
        ("naïve Ünïcode слово שלום", ["naïve", "Ünïcode", "слово", "שלום"]),
        ("... — !", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_all_words_were_heard() -> None:
    found = word_times(
        "Turn the light on.",
        heard((" Turn", 0, 0.4), (" the", 0.4, 0.5), (" LIGHT,", 0.6, 1), (" on", 1, 1.2)),
        1.5,
    )
    assert shown(found) == [("Turn", 0, 0.4), ("the", 0.4, 0.5), ("light", 0.6, 1), ("on", 1, 1.2)]


def test_what_was_not_heard_shares_what_is_left() -> None:
    found = word_times("Oh turn aaaa bb light on", heard((" turn", 0.5, 1), (" night", 1, 2), (" on", 2.2, 3)), 4)
    assert shown(found) == [
        ("Oh", 0, 0.5),
        ("turn", 0.5, 1),
        ("aaaa", 1, 1.436),
        ("bb", 1.436, 1.655),
        ("light", 1.655, 2.2),
        ("on", 2.2, 3),
    ]
    assert shown(word_times("one two", heard((" one", 0, 1)), 3)) == [("one", 0, 1), ("two", 1, 3)]


def test_signs_share_what_was_heard_as_one() -> None:
    assert shown(word_times("你好", heard(("你好", 1, 2)), 3)) == [("你", 1, 1.5), ("好", 1.5, 2)]


def test_nothing_was_heard() -> None:
    assert not word_times("turn", [], 1)
    assert not word_times("turn", heard((" off", 0, 1)), 1)
    assert not word_times("...", heard((" off", 0, 1)), 1)


WORDS = st.lists(st.sampled_from(["a", "b", "c", "dd"]), max_size=30)
TIMES = st.floats(0, 100)


@given(WORDS, st.lists(st.tuples(st.sampled_from(["a", "b", "c", "x", ""]), TIMES, TIMES), max_size=30), TIMES)
def test_times_never_fall(words: list[str], sounds: list[tuple[str, float, float]], duration: float) -> None:
    found = word_times(" ".join(words), heard(*sounds), duration)
    assert [one.text for one in found] in ([], words)
    clock = 0.0
    for one in found:
        assert clock - 1e-9 <= one.start <= one.end + 1e-9 <= duration + 2e-9
        clock = one.end


def test_the_longest_text_takes_no_time() -> None:
    began = time.monotonic()
    word_times("a " * 4_000, heard(*((" a", number, number + 1) for number in range(4_000))), 4_000)
    assert time.monotonic() - began < 5
