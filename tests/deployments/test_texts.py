"""What is said of texts that are none."""

import pytest

from deployments.errors import InvalidRequest
from deployments.texts import check_text, kind_of


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The text is empty; send words."),
        (" \n\u3000", "The text is blank; send words."),
        ("ab\ud83d", "The text holds half of a surrogate pair at character 3; send whole characters."),
    ],
)
def test_texts_without_words_and_texts_that_are_no_unicode(text: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_text(text, "The text", param="input", remedy="send words")
    assert (caught.value.message, caught.value.param) == (sentence, "input")


def test_texts_pass() -> None:
    for text in ("a", " שלום ", "\U0001f600", "\0"):
        check_text(text, "The text", param="input", remedy="send words")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"), (True, "true"), (False, "false"), (1, "the number 1"), (0.5, "the number 0.5"),
        ({}, "an object"), ([], "a list"), ((), "a list"), (b"", "bytes"), (object(), "another value"),
    ],
)  # fmt: skip
def test_kinds_of_values(value: object, words: str) -> None:
    assert kind_of(value) == words
    assert len(kind_of(10**100)) == 40
