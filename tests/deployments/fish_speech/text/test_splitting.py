"""Splitting: the original's results, and what holds for any text."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.fish_speech.text.signs import clean_v11, clean_v15
from deployments.fish_speech.text.splitting import split
from tests.deployments.fish_speech.codec.support import GOLDENS

CLEANERS = {"v15": clean_v15, "v11": clean_v11}
CASES = [
    (version, case)
    for version in CLEANERS
    for case in json.loads((GOLDENS / f"text_{version}" / "golden.json").read_text())
]
# Where we differ from the originals on purpose: lines, runs of blanks, nothing to say. By version and text.
EMOJI = "价格是3.14元。你好！‘引号’ test’s 😀 ok,,,, fine... yes"
LINES = "Line one\nLine two. “Quoted” (paren) [x]; done: ok~"
OURS = {
    ("v15", EMOJI): "价格是3.14元。你好！'引号' test's ok, fine... yes",
    ("v15", "…！？"): "",
    ("v15", LINES): LINES,
    ("v11", EMOJI): "价格是3.14元.你好!'引号' test's ok,,,, fine yes",
    ("v11", LINES): "Line one\nLine two. 'Quoted' 'paren' 'x', done, ok-",
}
SPOKEN = st.text(st.sampled_from("ab 1290.,!?-'。！？，、\n\t你好カな…😀\u00a0é"), max_size=120)
ANY = st.one_of(st.text(max_size=80), SPOKEN)
LENGTHS = st.integers(1, 60)


@pytest.mark.parametrize(("version", "case"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_texts_are_cleaned_and_split_like_the_originals(version: str, case: dict[str, object]) -> None:
    text, length = str(case["text"]), int(str(case["length"]))
    cleaned = CLEANERS[version](text)
    assert cleaned == OURS.get((version, text), case["clean"])
    if (version, text) not in OURS:
        assert split(cleaned, length) == case["split"]


def test_every_difference_is_one() -> None:
    theirs = {(version, str(case["text"])): case["clean"] for version, case in CASES}
    assert {key for key, cleaned in theirs.items() if CLEANERS[key[0]](key[1]) != cleaned} <= OURS.keys()
    assert split(OURS["v15", LINES], 10) == ["Line one", "Line two.", "“Quoted”", "(paren)", "[x];", "done: ok~"]
    assert split(OURS["v11", LINES], 50) == ["Line one Line two. 'Quoted' 'paren' 'x', done, ok-"]


def test_length_0_is_one_piece() -> None:
    text = "One. Two. Three. " * 100
    assert split(text, 0) == [text.strip()]
    assert split("One\n\ntwo\nthree", 0) == ["One two three"]
    assert split(" ?! ", 0) == split("\n", 0) == split("", 0) == []


def test_paragraphs_are_never_joined_and_lines_where_they_fit() -> None:
    assert split("One\n\ntwo\nthree", 100) == ["One", "two three"]
    assert split("One two\nthree four. Five", 12) == ["One two", "three four.", "Five"]


def test_a_decimal_number_is_no_end_of_a_sentence() -> None:
    assert split("It is 3.14159 or so. Yes it is.", 22) == ["It is 3.14159 or so.", "Yes it is."]
    assert split("Version 1.2. Then 10.5.3 came.", 14) == ["Version 1.2.", "Then 10.5.3", "came."]


@given(ANY, LENGTHS)
def test_pieces_are_short_and_nothing_is_lost(text: str, length: int) -> None:
    pieces = split(text, length)
    for piece in pieces:
        assert piece == " ".join(piece.split())
        assert any(map(str.isalnum, piece))
        # what was cut anywhere is as long as its last character makes it
        assert len(piece.encode("utf-8", "surrogatepass")) <= length + 3
    kept, whole = ("".join(filter(str.isalnum, all_of)) for all_of in ("".join(pieces), text))
    assert kept == whole
    rest = iter(text)
    assert all(character in rest for piece in pieces for character in piece if character != " "), "in order"


@given(
    st.lists(st.from_regex(r"[a-z]{1,6}|[0-9]{1,4}\.[0-9]{1,4}", fullmatch=True), min_size=1, max_size=20), LENGTHS
)
def test_words_and_decimals_are_whole_where_they_fit(words: list[str], length: int) -> None:
    pieces = split(" ".join(words), length)
    if all(len(word) < length for word in words):
        assert " ".join(pieces).split() == words
        for first, second in pairwise(pieces):
            assert len(f"{first} {second} ") > length, "neighbours are joined where they fit"
