"""Of a form's parts one is the audio, and all others are texts."""

import contextlib
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import FormData, Headers, UploadFile

from deployments.errors import ClientError, InvalidRequest
from serve_app.http.openai.transcription_form import read_transcription_form
from serve_app.tasks.transcription.parse import ParsedTranscription
from tests.serve_app.tasks.transcription.forms import TEXTS, WIRE_NAMES


def upload(name: str = "a.wav", data: bytes = b"RIFF", kind: str = "audio/wav") -> UploadFile:
    return UploadFile(io.BytesIO(data), size=len(data), filename=name, headers=Headers({"content-type": kind}))


def read(*pairs: tuple[str, Any]) -> tuple[ParsedTranscription, UploadFile | None]:
    return read_transcription_form(FormData(pairs), "transcribe")


def refusal(*pairs: tuple[str, Any]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(*pairs)
    assert caught.value.message.endswith(".")
    return caught.value


def test_a_file_with_its_name_and_content_type() -> None:
    sent = upload()
    parsed, file = read(("file", sent), ("beam_size", "2"))
    assert file is sent
    assert (parsed.request.file_name, parsed.request.content_type) == ("a.wav", "audio/wav")
    assert parsed.request.decoding.beam_size == 2


def test_an_address_instead_of_a_file() -> None:
    parsed, file = read(("url", "https://x.test/"))
    assert (parsed.request.url, file) == ("https://x.test/", None)
    chosen_none = ("file", UploadFile(io.BytesIO(), size=0, filename=""))
    assert read(chosen_none, ("url", "https://x.test/"))[1] is None
    assert refusal(("file", upload()), ("url", "https://x.test/")).param == "url"
    assert "missing" in refusal().message
    assert "missing" in refusal(chosen_none).message


def test_two_files_files_as_text_and_text_as_files() -> None:
    two = [("file", upload()), ("file", upload())]
    assert refusal(*two).message == "`file` was sent 2 times; send one file per request."
    assert refusal(("language", upload())).message == "`language` has to be text, not a file."
    assert "send it as a file" in refusal(("file", "RIFF")).message


LATER = [
    [("stream", "true"), ("response_format", "srt")],
    [("vad_filter", "false"), ("vad_threshold", "0.5")],
    [("language", "en"), ("languages", "en,de")],
    [("task", "translate")],
]


def test_of_several_mistakes_the_first_is_named() -> None:
    file, wrong = ("file", upload()), ("beam_size[a][b]", "1")
    assert refusal(file, wrong, ("language", upload())).param == "beam_size"
    assert refusal(file, ("language", upload()), wrong).param == "language"
    assert refusal(file, file, ("beam_size", "many")).param == "beam_size"
    assert refusal(file, file, ("url", "https://x.test/")).param == "url"
    for later in LATER:
        assert refusal(file, file, *later).param == "file"
        assert refusal(file, *later).param != "file"


def test_unknown_files_are_named_in_order() -> None:
    parsed, _ = read(("user", "a"), ("file", upload()), ("other", upload()), ("]", ""), ("other", "b"))
    assert parsed.ignored == ("user", "other", "]")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\music\\a b.mp3", "a b.mp3"),
        ("a\r\nX-Evil: 1\0.wav", "aX-Evil: 1.wav"),
        ("x" * 1_000 + ".ogg", "x" * 251 + ".ogg"),
        ("..//", None),
        ("日本.wav", "日本.wav"),
    ],
)
def test_file_names_are_harmless(sent: str, kept: str | None) -> None:
    request = read(("file", upload(sent, kind="audio/l16; rate=8000")))[0].request
    assert (request.file_name, request.content_type) == (kept, "audio/l16; rate=8000")


@given(st.lists(st.tuples(WIRE_NAMES, TEXTS), max_size=6), st.booleans())
def test_any_form_is_read_or_refused(pairs: list[tuple[str, str]], file: bool) -> None:
    with contextlib.suppress(ClientError):
        parsed, audio = read(*pairs, *([("file", upload())] if file else []))
        assert (audio is None) != (parsed.request.url is None)
        assert all(value.isascii() and value.isprintable() for value in parsed.headers.values())
