"""What clients call languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import InvalidRequest
from serve_app.tasks.transcription.languages import (
    DETECT,
    ENGLISH_NAMES,
    OTHER_CODES,
    OTHER_NAMES,
    asks_to_detect,
    english_name,
    language_code,
)
from serve_app.tasks.transcription.parse import parse_form

FROM_THE_FIELD = {
    **{
        "en-US": "en",
        "en_US": "en",
        "pt-BR": "pt",
        "pt_BR": "pt",
        "zh-CN": "zh",
        "zh-Hans": "zh",
        "zh-Hant-TW": "zh",
    },
    **{
        "yue-HK": "yue",
        "zh-yue": "yue",
        "zh-cmn-Hans": "zh",
        "zh-HK": "zh",
        "cmn": "zh",
        "eng": "en",
        "ger": "de",
    },
    **{"deu": "de", "nb": "no", "nb-NO": "no", "nn-NO": "nn", "no": "no", "fil": "tl", "fil-PH": "tl", "iw": "he"},
    **{"in": "id", "ji": "yi", "jv": "jw", "jp": "ja", "cn": "zh", "es-419": "es", "sr-Latn-RS": "sr"},
    **{"de_DE.UTF-8": "de", "ca@valencia": "ca", "English (US)": "en", "Chinese (Simplified)": "zh"},
    **{"English": "en", " english ": "en", "EN": "en", "Filipino": "tl", "Mandarin": "zh"},
}
UNKNOWN = (
    "klingon",
    "en-",
    "-en",
    "english-us",
    "e",
    "xx",
    "nan",
    "en US",
    "tlh",
    "en--US",
    "en-US\n-x",
    "en-toolongsubtag",
)


def test_the_table_is_whispers() -> None:
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    assert ENGLISH_NAMES.keys() == OTHER_CODES.keys() == set(_LANGUAGE_CODES)
    assert len(set(ENGLISH_NAMES.values())) == len(ENGLISH_NAMES)
    assert set(OTHER_NAMES.values()) <= ENGLISH_NAMES.keys()


def test_nothing_is_said_twice() -> None:
    others = [code for codes in OTHER_CODES.values() for code in codes.split()]
    assert len(set(others)) == len(others)
    assert {code for code in others if code in ENGLISH_NAMES} == {"haw", "yue"}
    assert not DETECT & {*ENGLISH_NAMES, *ENGLISH_NAMES.values(), *OTHER_NAMES, *others}


@pytest.mark.parametrize("code", ENGLISH_NAMES)
def test_languages_go_there_and_back(code: str) -> None:
    assert language_code(english_name(code).title()) == language_code(code.upper()) == code
    three_letters = [other for other in OTHER_CODES[code].split() if len(other) == 3]
    assert {language_code(other) for other in three_letters} == {code}


@pytest.mark.parametrize(("sent", "code"), FROM_THE_FIELD.items())
def test_tags_and_names(sent: str, code: str) -> None:
    assert language_code(sent) == code
    assert parse_form([("language", sent)], "transcribe", files=1).request.language == code
    assert parse_form(
        [("languages[]", sent), ("languages[]", "auto")], "transcribe", files=1
    ).request.languages == (code,)


@pytest.mark.parametrize("sent", [*sorted(DETECT), "Auto", "None", "NULL", " und ", "  "])
def test_nobody_has_chosen(sent: str) -> None:
    assert asks_to_detect(sent)
    assert parse_form([("language", sent)], "transcribe", files=1).request.language is None


@pytest.mark.parametrize("sent", UNKNOWN)
def test_what_is_no_language(sent: str) -> None:
    assert language_code(sent) is None
    with pytest.raises(
        InvalidRequest, match="`language` has to be a language that Whisper knows: a tag such as `en`"
    ):
        parse_form([("language", sent)], "transcribe", files=1)


@given(
    st.sampled_from(sorted(ENGLISH_NAMES)),
    st.lists(
        st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True).filter(lambda part: part.lower() != "yue"), max_size=4
    ),
    st.sampled_from("-_"),
)
def test_of_a_tag_the_language_counts(code: str, parts: list[str], sign: str) -> None:
    extended = language_code(parts[0]) if code == "zh" and parts and len(parts[0]) == 3 else None
    assert language_code(sign.join([code, *parts])) == (extended or code)


@given(st.text(max_size=200))
def test_any_text_has_an_answer(text: str) -> None:
    assert language_code(text) in {None, *ENGLISH_NAMES}
