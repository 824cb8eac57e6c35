"""The signs that the versions read."""

import re

from hypothesis import given
from hypothesis import strategies as st

from deployments.fish_speech.text.signs import clean_v11, clean_v15


def test_symbols_of_version_1_1() -> None:
    assert clean_v11("“a”：（b）～c…d·e\n") == "'a','b'-cd,e"
    assert clean_v11("naïve \u2603 ¿カナかな漢字") == "nave カナかな漢字"
    assert clean_v11("x\ny") == "x\ny"
    assert clean_v11("a é. b") == "a. b", "what is left of a word is no word"


def test_emoji_and_commas_of_version_1_5() -> None:
    assert clean_v15(" a\U0001f680b\U0001f1e9\U0001f1eac,,,,d, ") == "abc,d,"
    assert clean_v15("‘it’s’ “as it is”") == "'it's' “as it is”"


@given(st.text(max_size=80))
def test_no_signs_are_left_that_a_version_does_not_know(text: str) -> None:
    assert not re.search(r"[^\x00-\x7f\u4e00-\u9fff\u3040-\u30ff]", clean_v11(text))
    assert ",," not in clean_v15(text)
