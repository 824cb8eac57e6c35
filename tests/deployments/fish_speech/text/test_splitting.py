"""Cleaning and splitting: the original's results, and what holds for any text."""

import json
import re
import string
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.fish_speech.text import clean_v11, clean_v15, split
from tests.deployments.fish_speech.codec.support import GOLDENS

CLEANERS = {"v15": clean_v15, "v11": clean_v11}
CASES = [
    (version, case)
    for version in CLEANERS
    for case in json.loads((GOLDENS / f"text_{version}" / "golden.json").read_text())
]
SPOKEN = st.text(st.sampled_from("ab 1290.,!?-'。！？，、\n\t你好カな…😀\u00a0é"), max_size=120)
ANY = st.one_of(st.text(max_size=80), SPOKEN)
LENGTHS = st.integers(1, 60)


def identity(text: str) -> str:
    """For texts that are to be split as they are."""
    return text


@pytest.mark.parametrize(("version", "case"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_texts_are_cleaned_and_split_like_the_originals(version: str, case: dict[str, object]) -> None:
    text, length = str(case["text"]), int(str(case["length"]))
    assert CLEANERS[version](text) == case["clean"]
    assert split(text, length, CLEANERS[version]) == case["split"]


@pytest.mark.parametrize("clean", CLEANERS.values())
def test_length_0_is_one_piece(clean: Callable[[str], str]) -> None:
    text = "One. Two. Three. " * 100
    assert split(text, 0, clean) == [text.strip()]
    assert split(" ?! ", 0, clean) == split("\n", 0, clean) == split("", 0, clean) == []


def test_symbols_of_version_1_1() -> None:
    assert clean_v11("“a”：（b）～c…d·e\n") == "'a','b'-cd,e"
    assert clean_v11("naïve \u2603 ¿カナかな漢字") == "nave  カナかな漢字"
    assert clean_v11("x\ny") == "x.y"


def test_emoji_and_commas_of_version_1_5() -> None:
    assert clean_v15(" a\U0001f680b\U0001f1e9\U0001f1eac,,,,d, ") == "abc,d,"
    assert clean_v15("‘it’s’ “as it is” \u2603") == "'it's' “as it is” \u2603"


def test_a_decimal_number_is_no_end_of_a_sentence() -> None:
    assert split("It is 3.14159 or so. Yes it is.", 22, clean_v15) == ["It is 3.14159 or so.", "Yes it is."]
    assert split("Version 1.2. Then 10.5.3 came.", 14, clean_v15) == ["Version 1.2.", "Then 10.5.3", "came."]


def test_lone_surrogates_are_no_accident() -> None:
    assert split("a \ud800 b", 3, clean_v15) == ["a", "\ud800", "b"]


@given(ANY)
def test_cleaners_take_any_text_and_leave_nothing_to_be_done(text: str) -> None:
    for clean in CLEANERS.values():
        once = clean(text)
        assert "..." in once or clean(once).strip() == once.strip()
        assert len(once) <= len(text)
    assert not re.search(r"[^\x00-\x7f\u4e00-\u9fff\u3040-\u30ff]", clean_v11(text))
    assert ",," not in clean_v15(text)


@given(ANY, LENGTHS)
def test_pieces_are_short_and_nothing_is_lost(text: str, length: int) -> None:
    pieces = split(text, length, identity)
    for piece in pieces:
        assert piece == piece.strip()
        assert not set(piece) <= set(string.punctuation + string.whitespace)
        # what was cut anywhere is as long as its last character makes it
        assert len(piece.encode("utf-8", "surrogatepass")) <= length + 3
    silent = string.punctuation + "".join(filter(str.isspace, map(chr, range(0x3001))))
    kept, whole = (re.sub(f"[{re.escape(silent)}]", "", string) for string in ("".join(pieces), text))
    assert kept == whole
    rest = iter(text)
    assert all(character in rest for character in "".join(pieces)), "in order"


@given(
    st.lists(st.from_regex(r"[a-z]{1,6}|[0-9]{1,4}\.[0-9]{1,4}", fullmatch=True), min_size=1, max_size=20), LENGTHS
)
def test_words_and_decimals_are_whole_where_they_fit(words: list[str], length: int) -> None:
    pieces = split(" ".join(words), length, clean_v15)
    if all(len(word) < length for word in words):
        assert " ".join(pieces).split() == words
        for first, second in pairwise(pieces):
            assert len(f"{first} {second} ") > length, "neighbours are joined where they fit"
