"""Forms without a server, and what is expected of their refusals."""

import io
from typing import Any

import pytest
from starlette.datastructures import FormData, Headers, UploadFile

from deployments.errors import InvalidRequest
from deployments.whisper.types import Task, TranscriptionRequest
from serve_app.tasks.transcription.parse import TranscriptionForm, parse_form


def upload(name: str = "a.wav", data: bytes = b"RIFF", kind: str = "audio/wav") -> UploadFile:
    return UploadFile(io.BytesIO(data), size=len(data), filename=name, headers=Headers({"content-type": kind}))


def parse(*pairs: tuple[str, Any], task: Task = "transcribe", file: bool = True) -> TranscriptionForm:
    return parse_form(FormData([*pairs, *([("file", upload())] if file else [])]), task)


def asked(*pairs: tuple[str, Any]) -> TranscriptionRequest:
    return parse(*pairs).request


def refusal(*pairs: tuple[str, Any], **options: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse(*pairs, **options)
    assert "pydantic" not in caught.value.message
    assert caught.value.message.endswith(".")
    return caught.value
