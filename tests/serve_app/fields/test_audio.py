"""Audio files in base64, and what their names may do."""

import base64

import pytest

from deployments.errors import InvalidRequest
from serve_app.fields.audio import STEP, audio_of, content_type, decode_base64, file_name, uploads_of

BLANKS = [f"AA{blank}AA" for blank in "\v\f\x1c\x85\xa0\u2028\u3000"]  # those that are ignored in jobs alone
LONG = bytes(range(256)) * (STEP // 128)


@pytest.mark.parametrize("data", [b"a", b"ab", b"abc", LONG])
def test_base64_with_and_without_blanks(data: bytes) -> None:
    assert decode_base64(base64.b64encode(data).decode()) == data
    assert decode_base64(base64.encodebytes(data).decode().replace("\n", " \t\r\n")) == data


@pytest.mark.parametrize(
    "text", ["AAA", "AAAA=", "AA=A", "=", "AAA=AAA=", "AA-_", "AAA\xa0", "é", "\ud800", *BLANKS]
)
def test_what_is_no_base64(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever the decoder raises
        decode_base64(text)
    with pytest.raises(InvalidRequest, match="`voice` has to be an audio file in base64"):
        audio_of(text, "voice")


@pytest.mark.parametrize("value", ["", "data:audio/wav;base64,", None, 1])
def test_what_is_no_audio(value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        audio_of(value, "voice")
    assert caught.value.param == "voice"


def test_audio_in_a_field() -> None:
    assert audio_of("data:audio/wav;base64,UklGRg==", "voice").data.tobytes() == b"RIFF"
    assert [upload.data.tobytes() for upload in uploads_of([b"a", b"bc"])] == [b"a", b"bc"]


def test_names_and_content_types_are_harmless() -> None:
    assert file_name("..\\a\r\n/b\0.wav") == "b.wav"
    assert (file_name(None), file_name(" / "), content_type(""), content_type(None)) == (None,) * 4
    assert content_type(" audio/l16;\r\n rate=8000\ud800") == "audio/l16; rate=8000"
    assert len(content_type("x" * 1_000) or "") == 255
