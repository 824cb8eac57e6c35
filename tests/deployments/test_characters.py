"""What nobody sees or says."""

import pytest

from deployments.characters import with_whole_words, without_unseen


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\x00\x1b\u200b\u200d\ufeff\u00ad\ufe0f\u202e\U000e0041b", "ab"),
        (" a\tb\r\n\u00a0c\u2028", " a\tb\r\n\u00a0c\u2028"),
        ("😀❤️👍🏽🇩🇪©b", "b"),
        ("1\ufe0f\u20e3", "1"),
        ("\ud800a\ue000\uffff", "a"),
    ],
)
def test_without_what_is_unseen(text: str, seen: str) -> None:
    assert without_unseen(text) == seen


def test_words_are_whole_without_what_stands_in_them() -> None:
    assert with_whole_words("T😀h\u200be Zor🇩🇪ites 😀 yes 😀") == "The Zorites 😀 yes 😀"
