"""Texts of all formats as what is going to be spoken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import InvalidRequest
from deployments.fish_speech.text.script import Script, check_has_words, script_of
from deployments.fish_speech.text.signs import clean_v11, clean_v15

NOTHING = "The text has nothing that can be spoken; send words."
LINES = st.text(st.sampled_from("ab 1.,!?\n…—😀\u200b*_#é"), max_size=60)


def test_a_plain_text() -> None:
    assert script_of("One.  Two\n\nthree", clean_v15, 5) == Script(
        ("One.", "Two", "three"), (0.0, 0.0, 0.0, 0.0), "One. Two three"
    )


def test_pauses_belong_to_pieces() -> None:
    text = "<break time='1s'/>One. Two.<break/><break/><p>…</p><break time='2s'/>three<break time='3s'/>"
    script = script_of(text, clean_v15, 5, text_format="ssml")
    assert (script.pieces, script.pauses) == (("One.", "Two.", "three"), (1.0, 0.0, 3.0, 3.0))
    whole = script_of(text, clean_v15, 0, text_format="ssml")
    assert (whole.pieces, whole.pauses) == (("One. Two.", "three"), (1.0, 3.0, 3.0))


def test_numbers_are_spelled_out_before_a_text_is_found_to_say_nothing() -> None:
    assert script_of("$5 — 50%", clean_v15, 40, numbers="en").pieces == ("five dollars, fifty percent",)
    assert script_of("**5** _6_", clean_v15, 40, text_format="markdown", numbers="en").spoken == "five six"
    assert script_of("5", clean_v15, 40).pieces == ("5",)


@pytest.mark.parametrize(
    ("text", "text_format"),
    [("…", "plain"), ("🤔", "markdown"), ("***\n\n```", "markdown"), ("<break/>", "ssml"), ("<p>—</p>", "ssml")],
)
def test_nothing_to_say(text: str, text_format: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        script_of(text, clean_v15, 40, text_format=text_format)  # type: ignore[arg-type]
    assert (refusal.value.message, refusal.value.param) == (NOTHING, "text")


def test_version_1_1_cannot_say_what_it_does_not_know() -> None:
    assert script_of("éé", clean_v15, 40).pieces == ("éé",)
    with pytest.raises(InvalidRequest, match="nothing that can be spoken"):
        script_of("éé", clean_v11, 40)


def test_the_early_check_names_the_field() -> None:
    check_has_words("a")
    with pytest.raises(InvalidRequest) as refusal:
        check_has_words("% … ❤️", "input")
    assert (refusal.value.message, refusal.value.param) == (NOTHING, "input")


@given(LINES, st.integers(0, 30), st.sampled_from(["plain", "markdown"]))
def test_what_is_judged_is_what_is_spoken(text: str, length: int, text_format: str) -> None:
    try:
        script = script_of(text, clean_v15, length, text_format=text_format)  # type: ignore[arg-type]
    except InvalidRequest:
        return
    letters = ["".join(filter(str.isalnum, each)) for each in (script.spoken, "".join(script.pieces))]
    assert letters[0] == letters[1]
    assert len(script.pauses) == len(script.pieces) + 1
    assert script.spoken == " ".join(script.spoken.split())
