"""Fields of a transcription without a server, and what is expected of their refusals."""

from typing import Any

import pytest

from deployments.errors import InvalidRequest
from deployments.whisper.types import Task, TranscriptionRequest
from serve_app.tasks.transcription.parse import ParsedTranscription, parse_form


def parse(*pairs: tuple[str, str], task: Task = "transcribe", audio: bool = True) -> ParsedTranscription:
    return parse_form(pairs, task, audio=audio)


def asked(*pairs: tuple[str, str]) -> TranscriptionRequest:
    return parse(*pairs).request


def refusal(*pairs: tuple[str, str], **options: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse(*pairs, **options)
    assert "pydantic" not in caught.value.message
    assert caught.value.message.endswith(".")
    return caught.value
