"""Fields of a transcription without a server, and what is expected of their refusals."""

import json
from typing import Any

import pytest
from hypothesis import strategies as st

from deployments.errors import InvalidRequest
from deployments.whisper.types import Task, TranscriptionRequest
from serve_app.tasks.transcription.fields import FIELDS
from serve_app.tasks.transcription.parse import ParsedTranscription, parse_form

NAMES = sorted({name for f in FIELDS for name in (*f.names, f.name)})
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "0", "1", "-1", "0.5", "true", "none", "auto", "json", "srt", "word", "en", "[]", "{}"]),
    st.integers().map(str),
    st.floats().map(str),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ).map(json.dumps),
)
WIRE_NAMES = st.one_of(
    st.sampled_from(NAMES),
    st.builds("{}[{}]".format, st.sampled_from(NAMES), st.sampled_from(["", "type", "threshold", "0"])),
    st.text(max_size=8),
)


def parse(*pairs: tuple[str, str], task: Task = "transcribe", audio: bool = True) -> ParsedTranscription:
    return parse_form(pairs, task, files=int(audio))


def asked(*pairs: tuple[str, str]) -> TranscriptionRequest:
    return parse(*pairs).request


def refusal(*pairs: tuple[str, str], **options: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse(*pairs, **options)
    assert "pydantic" not in caught.value.message
    assert caught.value.message.endswith(".")
    return caught.value
