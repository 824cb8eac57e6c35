"""What of a text that is still coming can be spoken."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.http.fish.live.text_buffer import LONGEST_PIECE, TextBuffer


def pieces(*texts: str, least: int = 0, most: int = 0, flush: bool = False) -> list[str]:
    """All that is ready after texts were added one by one."""
    buffer = TextBuffer(least, most)
    found: list[str] = []
    for text in texts:
        buffer.add(text)
        found += iter(buffer.take, None)
    if flush:
        buffer.flush()
        found += iter(buffer.take, None)
    return found


@pytest.mark.parametrize(
    ("texts", "ready"),
    [
        (["Hello"], []),
        (["Hello."], ["Hello."]),
        (["Hello, world. How are", " you"], ["Hello, world."]),
        (["He said: 'Well!' And"], ["He said: 'Well!'"]),
        (["One. Two. Thr"], ["One. Two."]),
        (["It costs 3", ".", "50 now"], []),
        (["It costs 3.", "50 now. Ok"], ["It costs 3.50 now."]),
        (["In 1984. Then"], ["In 1984."]),
        (["In 1984."], []),
        (["www.exam", "ple.org is"], []),
        (["A line\nAnother"], ["A line"]),
        (["你好。再见", "！"], ["你好。", "再见！"]),
        (["Wait… What"], ["Wait…"]),
        (["", " ", "\n\n", "* * *.", "🙂! "], []),
    ],
)
def test_sentences(texts: list[str], ready: list[str]) -> None:
    assert pieces(*texts) == ready


def test_short_sentences_wait_for_more() -> None:
    assert pieces("Yes. ", "No. ", "Perhaps so. ", least=12) == ["Yes. No. Perhaps so."]
    assert pieces("Yes. ", "No. ", least=12, flush=True) == ["Yes. No."]


def test_texts_without_an_end_are_cut_between_words() -> None:
    assert pieces("one two three four five", most=12) == ["one two", "three four"]
    assert pieces("one two three four five", most=12, flush=True) == ["one two", "three four", "five"]
    assert pieces("einszweidreivierfünf", most=12) == ["einszweidrei"]
    assert pieces("x " * LONGEST_PIECE) == [("x " * (LONGEST_PIECE // 2)).strip()]
    assert pieces("x" * 3 * LONGEST_PIECE, flush=True) == ["x" * LONGEST_PIECE] * 3


def test_only_what_was_there_is_flushed() -> None:
    buffer = TextBuffer(0, 0)
    buffer.add("One")
    buffer.flush()
    buffer.add(" two")
    assert (buffer.take(), buffer.take(), buffer.waiting) == ("One", None, 4)
    buffer.flush()
    buffer.flush()
    assert (buffer.take(), buffer.take(), buffer.waiting) == ("two", None, 0)


def test_whole_texts_are_what_came_between_flushes() -> None:
    buffer = TextBuffer(0, 0, whole=True)
    for text in ("...", "<p>One.", " Two.</p>", "", " ", "!", "Three"):
        buffer.add(text)
        if text != "<p>One.":
            buffer.flush()
    assert (buffer.take(), buffer.take(), buffer.take(), buffer.waiting) == ("<p>One. Two.</p>", "Three", None, 0)


@pytest.mark.parametrize("text", ["." * 20_000 + "a", "!" * 10_000 + ")" * 10_000 + "a", "\n. " * 7_000])
def test_no_text_takes_long(text: str) -> None:
    buffer = TextBuffer(0, 200)
    began = time.thread_time()
    buffer.add(text)
    assert buffer.take() is None
    assert time.thread_time() - began < 0.5  # it was a minute


def test_no_number_of_flushes_takes_long() -> None:
    buffer = TextBuffer(0, 0, whole=True)
    began = time.thread_time()
    for _ in range(10_000):
        buffer.add(" ")
        buffer.flush()
    assert (buffer.take(), buffer.waiting) == (None, 0)
    assert time.thread_time() - began < 0.5


@given(
    st.lists(st.text("ab1 .!?\n。'", max_size=30), max_size=12), st.integers(0, 20), st.integers(0, 20), st.data()
)
def test_nothing_is_lost_or_said_twice(texts: list[str], least: int, most: int, data: st.DataObject) -> None:
    buffer = TextBuffer(least, most)
    said = []
    for text in texts:
        buffer.add(text)
        if data.draw(st.booleans()):
            buffer.flush()
        if data.draw(st.booleans()):
            said += iter(buffer.take, None)
    buffer.flush()
    said += iter(buffer.take, None)
    assert buffer.waiting == 0

    def letters(text: str) -> str:
        return "".join(filter(str.isalnum, text))

    assert letters("".join(said)) == letters("".join(texts))
    assert all(letters(piece) for piece in said)
