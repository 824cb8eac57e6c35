"""One blank between words, nothing unseen, marks beside words: cases from the field, and for any text."""

import json
import unicodedata
from pathlib import Path

import emoji
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.characters import without_unseen
from deployments.fish_speech.text.normaliser import has_words, normalise
from deployments.fish_speech.text.signs import Cleaner, clean_v11, clean_v15
from deployments.fish_speech.text.splitting import split

DATA = Path(__file__).parent / "data"
CLEANERS = (normalise, clean_v15, clean_v11)
LIGHT = "please turn the light on"
WHITE_SPACE: dict[str, str] = json.loads((DATA / "whitespace_texts.json").read_text())
PIECES = {
    "crlf": [LIGHT],
    "newlines": ["good morning", "open the window", "close the door"],
    "indent": [f"{LIGHT} open the door"],
}
SIGNS = ".,!?-–—…。·•→*“”'()\"%5b é\n\t\r\u00a0\u2009\u200b\u200d\ufe0f\u00ad\ufeff\x00\x07😀🤔❤1\u20e3🏽🇩你カ"
TEXTS = st.one_of(st.text(max_size=80), st.text(st.sampled_from(SIGNS), max_size=60))


@pytest.mark.parametrize("clean", CLEANERS)
@pytest.mark.parametrize("name", WHITE_SPACE)
def test_white_space_from_the_field(clean: Cleaner, name: str) -> None:
    assert split(clean(WHITE_SPACE[name]), 40) == PIECES.get(name, [LIGHT])


@pytest.mark.parametrize("text", json.loads((DATA / "nothing_to_say_texts.json").read_text()), ids=ascii)
def test_texts_with_nothing_to_say(text: str) -> None:
    assert not has_words(text)
    assert [split(clean(text), 40) for clean in CLEANERS] == [[], [], []]


def test_a_lone_ellipsis_does_not_disturb() -> None:
    text = json.loads((DATA / "ellipsis_mid_text.json").read_text())["text"]
    assert normalise(text) == "good morning world. open the window."


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("on — now", "on, now"),
        ("well … yes", "well. yes"),
        ("Really ?! Yes", "Really? Yes"),
        ("Bonjour\u00a0! «\u00a0Ça va\u00a0»\u202f?", "Bonjour! Ça va?"),
        ("- milk\n* eggs\n• bread", "milk\neggs\nbread"),
        ("5 - 3 * 2", "5 - 3 * 2"),
        ("a * b", "a b"),
        ("2 + 2 = 4 & 5 %", "2 + 2 = 4 & 5 %"),
        ("the end —", "the end"),
        ("the end .", "the end."),
        ("go\U0001f600od mor\u200dning", "good morning"),
        ("please 👍🏽 turn 🇩🇪 the 👩\u200d👩\u200d👧 light ❤️ on", LIGHT),
        ("1\ufe0f\u20e3 first", "1 first"),
        ("good\x00 mor\x07ning\x1b", "good morning"),
        ("Antiphon™ ©", "Antiphon"),
        ("cafe\u0301", "café"),
        ("one\u2028two\u2029three\ffour\x85five\vsix", "one\ntwo\n\nthree\n\nfour\nfive\nsix"),
        ("one\n \u200b\n\t\ntwo", "one\n\ntwo"),
        ("\u115f\u3164\uffa0a\u2800b", "a b"),
        ("\ue000\uffff\U000e0041a\ufffc", "a"),
    ],
)
def test_normal_forms(text: str, normal: str) -> None:
    assert normalise(text) == normal


def test_emoji_of_all_blocks_go() -> None:
    """All that the ``emoji`` package knows, in every spelling; of keycaps the key is left."""
    left = {sign: normalise(f"a{sign}b") for sign in emoji.EMOJI_DATA}
    assert {sign for sign, text in left.items() if text != "ab"} == {sign for sign in left if "\u20e3" in sign}


@given(TEXTS)
def test_nothing_is_left_to_be_done(text: str) -> None:
    for clean in CLEANERS:
        once = clean(text)
        assert clean(once) == once or "..." in once.replace("…", "...")
        for line in once.split("\n"):
            assert line == " ".join(line.split())
        assert "\n\n\n" not in once
        assert not any(unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co") for sign in once.replace("\n", ""))
        assert not emoji.emoji_count(once.replace("\u20e3", ""))


@given(TEXTS)
def test_words_stay(text: str) -> None:
    """Letters and digits are neither lost nor added nor moved."""
    seen = unicodedata.normalize("NFC", without_unseen(text))
    letters = [[sign for sign in each if sign.isalnum()] for each in (normalise(text), seen)]
    assert letters[0] == letters[1]
    assert has_words(text) == bool(letters[0])
