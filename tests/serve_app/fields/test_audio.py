"""Audio files in base64, and what their names may do."""

import io
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deployments.errors import InvalidRequest
from serve_app.fields.audio import audio_of, content_type, file_name, file_upload, uploads_of


@pytest.mark.parametrize("value", ["", "data:audio/wav;base64,", "A", "A\xa0?", None, 1])
def test_what_is_no_audio(value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        audio_of(value, "voice")
    assert caught.value.param == "voice"


def test_audio_in_a_field() -> None:
    for text in ("data:audio/wav;base64,UklGRg==", "UklG\r\nRg"):
        assert audio_of(text, "voice").data.tobytes() == b"RIFF"
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
