"""Audio files in base64, and what their names may do."""

import base64
import io
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deployments.errors import InvalidRequest
from serve_app.fields.audio import STEP, audio_of, content_type, decode_base64, file_name, file_upload, uploads_of

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


@pytest.mark.parametrize(("size", "mapped"), [(4, False), (5, True)])
def test_a_large_file_is_mapped_and_a_small_one_may_change(size: int, mapped: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF."[:size])
    with path.open("rb") as file:
        upload = file_upload(file, size, 4)
    base: Any = upload.data
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base.obj if isinstance(base, memoryview) else base, mmap.mmap) == mapped
    if not mapped:
        path.write_bytes(b"")  # reading what is mapped would now end the process
    assert upload.data.tobytes() == b"RIFF."[:size]


def test_an_empty_file() -> None:
    with pytest.raises(InvalidRequest, match="The file is empty"):
        file_upload(io.BytesIO(), 0, 4)


def test_names_and_content_types_are_harmless() -> None:
    assert file_name("..\\a\r\n/b\0.wav") == "b.wav"
    assert (file_name(None), file_name(" / "), content_type(""), content_type(None)) == (None,) * 4
    assert content_type(" audio/l16;\r\n rate=8000\ud800") == "audio/l16; rate=8000"
    assert len(content_type("x" * 1_000) or "") == 255
