"""Decoding options as JSON, read by the parser of the form: every entrance takes and refuses the same."""

import json
from collections.abc import Mapping
from typing import Any

from deployments.errors import InvalidRequest
from deployments.whisper.types import Task, TranscriptionRequest
from serve_app.contracts.audio import JobAudio
from serve_app.contracts.contract import JobContext
from serve_app.fields.schema_words import expectation, plain_schema
from serve_app.request_id import request_id
from serve_app.tasks.transcription.fields import BY_NAME
from serve_app.tasks.transcription.parse import parse_form

# Fields of the form that say where the audio is, which model is meant, or what HTTP's answer looks like.
OTHER_FIELDS = frozenset(
    {
        *("file", "url", "model", "task", "diarize", "log_progress"),
        *("response_format", "stream", "timestamp_granularities", "include"),
    }
)
OPTIONS = frozenset(BY_NAME) - OTHER_FIELDS


def request_for(
    options: Mapping[str, Any], task: Task, model: str | None, context: JobContext
) -> TranscriptionRequest:
    """A request whose audio is yet to come. ``options`` are values by names of ``OPTIONS``; null counts as absent.

    Raises InvalidRequest with the name of the option that is wrong or cannot be honoured, ModelNotFound.
    """
    context.gateway.models.resolve("transcription", model)
    texts = [(name, _as_text(name, value)) for name, value in options.items() if value is not None]
    parsed = parse_form(texts, task, files=1, request_id=request_id(context.job_id))
    return parsed.request.model_copy(update={"model": model, "deadline": context.deadline})


def with_audio(request: TranscriptionRequest, audio: JobAudio) -> TranscriptionRequest:
    """The request for this audio, whose upload travels beside it."""
    return request.model_copy(update={"url": audio.url, "content_type": audio.content_type})


def model_name(value: object, context: JobContext) -> str | None:
    """The model that an input names, else that of the endpoint. Raises InvalidRequest."""
    if value is None or value == "":
        return context.model
    if not isinstance(value, str) or len(value) > BY_NAME["model"].schema["maxLength"]:
        raise InvalidRequest(f"`model` has to be {expectation(BY_NAME['model'].schema)}.", param="model")
    return value


def _as_text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    field = BY_NAME[name]
    if field.read is None and plain_schema(field.schema)["type"] == "string":
        raise InvalidRequest(f"`{name}` has to be {expectation(field.schema)}.", param=name)
    try:
        return json.dumps(value)
    except (RecursionError, TypeError, ValueError) as error:
        raise InvalidRequest(f"The value of `{name}` cannot be read.", param=name) from error
