"""English numbers in words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.fish_speech.text.numbers import spoken_numbers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3 apples and 21", "three apples and twenty-one"),
        ("1,234 or 12345", "one thousand two hundred thirty-four or twelve thousand three hundred forty-five"),
        ("3.14 and 1.2.3", "three point one four and one point two point three"),
        ("It is 5. Then -7, not 4-2", "It is five. Then minus seven, not four-two"),
        ("50% or 2.5 %", "fifty percent or two point five percent"),
        ("$3.50, $1, €1,000", "three dollars and fifty cents, one dollar, one thousand euros"),
        ("£2.01", "two pounds and one penny"),
        ("$3 million and $2.5 billion", "three million dollars and two point five billion dollars"),
        ("1st, 22nd, 103rd", "first, twenty-second, one hundred third"),
        ("in 1999, 1905 or 1500", "in nineteen ninety-nine, nineteen oh five or fifteen hundred"),
        ("2005 and 2024", "two thousand five and twenty twenty-four"),
        ("the 1990s", "the nineteen nineties"),
        ("9:05, 14:30, 7:00", "nine oh five, fourteen thirty, seven o'clock"),
        ("on 2024-05-12", "on May twelfth, twenty twenty-four"),
        ("007", "zero zero seven"),
        ("1" * 16, " ".join(["one"] * 16)),
        ("mp3, B2B (5)", "mp three, B two B (five)"),
        ("٣ and ½ and no number", "٣ and ½ and no number"),
        ("", ""),
    ],
)
def test_numbers_in_words(text: str, words: str) -> None:
    assert spoken_numbers(text) == words


@given(st.text(st.sampled_from("0123456789.,:-$%€ab \nsthrd"), max_size=60))
def test_no_digit_is_left_and_all_else_stays(text: str) -> None:
    words = spoken_numbers(text)
    assert not re.search("[0-9]", words)
    assert words.count("\n") == text.count("\n")
