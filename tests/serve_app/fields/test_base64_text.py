"""Base64 as clients write it, and what is none."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.fields.base64_text import LONGEST_PREFIX, STEP, data_prefix, decode_base64

BLANKS = " \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000"
BASE64 = re.compile(r"([\w+/-]{4})+=*|([\w+/-]{4})*([\w+/-]{3}=?|[\w+/-]{2}(==)?)?", re.ASCII)
LONG = bytes(range(256)) * (STEP // 128)


@given(st.binary(max_size=64), st.lists(st.tuples(st.integers(0, 100), st.sampled_from(BLANKS)), max_size=4))
def test_every_spelling_is_read_alike(data: bytes, blanks: list[tuple[int, str]]) -> None:
    for encoded in (base64.b64encode(data), base64.urlsafe_b64encode(data), base64.encodebytes(data)):
        for text in (encoded.decode(), encoded.decode().rstrip("=\n")):
            for place, blank in blanks:
                text = text[:place] + blank + text[place:]
            assert decode_base64(text) == data


@given(st.text("AQz=+/-_\xa0 ", max_size=12))
def test_any_text_is_decoded_or_refused(text: str) -> None:
    bare = "".join(text.split())
    if BASE64.fullmatch(bare):
        whole = bare.rstrip("=")
        assert decode_base64(text) == base64.urlsafe_b64decode(
            whole.replace("+", "-").replace("/", "_") + "=" * (-len(whole) % 4)
        )
    else:
        with pytest.raises(ValueError):  # noqa: PT011 - whichever the decoder raises
            decode_base64(text)


@pytest.mark.parametrize("more", [b"", b"a", b"ab"])
def test_long_texts(more: bytes) -> None:
    data = LONG + more
    for encoded in (base64.encodebytes(data), base64.urlsafe_b64encode(data).rstrip(b"=")):
        assert decode_base64(encoded.decode()) == data
        assert decode_base64(encoded.decode().replace("\n", "\u2028")) == data


@pytest.mark.parametrize("text", ["AAAA=", "AAAA==", "AAAA = = = ="])
def test_padding_after_whole_groups_is_ignored(text: str) -> None:
    assert decode_base64(text) == bytes(3)


@pytest.mark.parametrize(
    "text", ["=", "====", "A", "AAAAA", "AA=", "AAA==", "AA===", "AA====", "A===", "AA=A", "AAA=AAA=", "AAA=AAAA"]
)
def test_wrong_padding(text: str) -> None:
    with pytest.raises(ValueError, match="padding"):
        decode_base64(text)


@pytest.mark.parametrize("text", ["AA.A", "AA,A", "AA%3D%3D", "é", "\ud800", "AAA\u200b"])
def test_wrong_characters(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever the decoder raises
        decode_base64(text)


@pytest.mark.parametrize(
    ("text", "content_type"),
    [
        ("AAAA", None),
        ("data:,AAAA", None),
        ("data:;base64,AAAA", None),
        ("data:audio/wav;base64,AAAA", "audio/wav"),
        (" \n DATA:audio/L16;rate=8000;base64,AAAA", "audio/L16;rate=8000"),
        ("data:audio/wav,AAAA", "audio/wav"),
    ],
)
def test_prefixes(text: str, content_type: str | None) -> None:
    start, found = data_prefix(text)
    assert (text[start:], found) == ("AAAA", content_type)


@pytest.mark.parametrize("text", ["data:audio/wav;base64", f"data:{'x' * (LONGEST_PREFIX + 1)},AAAA"])
def test_what_is_no_prefix_is_no_base64_either(text: str) -> None:
    assert data_prefix(text) == (0, None)
    with pytest.raises(ValueError):  # noqa: PT011
        decode_base64(text)
