"""The OpenAPI 3.1 document, made from the same field tables as the parsers."""

from collections.abc import Iterable, Sequence

from serve_app.fields.json_field import JsonField
from serve_app.http.fish import openapi as fish_api
from serve_app.http.jobs import openapi as job_api
from serve_app.http.openai import openapi as openapi_speech
from serve_app.http.openai.schemas import SCHEMAS
from serve_app.http.openapi_parts import ERRORS, HEADERS, Document, errors_of, json_answer, property_of, ref
from serve_app.tasks.classification.fields import CLASSIFICATION, MODERATION
from serve_app.tasks.transcription.fields import AUDIO, FIELDS


def openapi(version: str, *, jobs: bool = False) -> Document:
    """The document for a version of the project, with the job API or without it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Antiphon",
            "version": version,
            "description": "Speech and text models. Clients of the OpenAI API work by changing their base URL.",
        },
        "servers": [{"url": "."}],
        "security": [{"key": []}, {}],
        "paths": {
            "/v1/audio/transcriptions": {"post": _audio("transcribe", "Transcribe audio in its own language.")},
            "/v1/audio/translations": {"post": _audio("translate", "Translate spoken audio into English text.")},
            **openapi_speech.paths(),
            "/v1/moderations": {
                "post": _texts("moderate", "Judge texts by categories.", MODERATION, ref("ModerationList"))
            },
            "/v1/classify": {
                "post": _texts(
                    "classify",
                    "Scores of texts by label.",
                    CLASSIFICATION,
                    {"anyOf": [ref("TextScores"), {"type": "array", "items": ref("TextScores")}]},
                )
            },
            "/v1/models": {"get": _get("listModels", "All served models.", "ModelList", ["401"])},
            "/v1/models/{id}": {
                "get": _get("retrieveModel", "One model, by id or alias.", "Model", ["401", "404"])
                | {"parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]}
            },
            "/healthz": {"get": _open(_get("healthz", "Whether the server is alive.", "Health", []))},
            "/readyz": {"get": _open(_probe("readyz", "Whether every model is ready.", "503", "Readiness"))},
            "/ping": {"get": _open(_probe("ping", "The same for load balancers.", "204", None))},
            **fish_api.paths(),
            **(job_api.paths() if jobs else {}),
        },
        "components": {
            "schemas": {**SCHEMAS, **fish_api.SCHEMAS, **(job_api.SCHEMAS if jobs else {})},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "headers": {
                "RequestId": {"description": "Id of the request.", "schema": {"type": "string"}},
                "RetryAfter": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
                "IgnoredFields": {
                    "description": "Names of fields that nothing here knows.",
                    "schema": {"type": "string"},
                },
            },
        },
    }


def _audio(task: str, summary: str) -> Document:
    form = {
        "type": "object",
        "properties": {field.name: property_of(field) for field in (AUDIO, *FIELDS)},
        "oneOf": [{"required": ["file"]}, {"required": ["url"]}],
    }
    return {
        "operationId": task,
        "summary": summary,
        "description": "Either `file` or `url` is required. Lists may be repeated, comma-separated or JSON.",
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}},
        "responses": {
            "200": {
                "description": "The transcript in the wanted format, or its stream of events.",
                "headers": HEADERS,
                "content": {
                    "application/json": {"schema": {"anyOf": [ref("Transcript"), ref("VerboseTranscript")]}},
                    "text/plain": {"schema": {"type": "string"}},
                    "application/x-subrip": {"schema": {"type": "string"}},
                    "text/vtt": {"schema": {"type": "string"}},
                    "text/event-stream": {"schema": ref("StreamEvent")},
                },
            },
            **errors_of(ERRORS),
        },
    }


def _texts(operation: str, summary: str, table: Sequence[JsonField], answer: Document) -> Document:
    body = {
        "type": "object",
        "properties": {field.name: property_of(field) for field in table},
        "required": [field.name for field in table if field.required],
    }
    return {
        "operationId": operation,
        "summary": summary,
        "description": "`input` is required.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {
                "description": summary,
                "headers": HEADERS,
                "content": {"application/json": {"schema": answer}},
            },
            **errors_of(ERRORS),
        },
    }


def _get(operation: str, summary: str, schema: str, errors: Iterable[str]) -> Document:
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {"200": json_answer(summary, schema), **errors_of(errors)},
    }


def _probe(operation: str, summary: str, status: str, schema: str | None) -> Document:
    waiting = "Some model is not ready."
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {
            "200": json_answer("Every model is ready.", "Readiness" if schema else "Health"),
            status: json_answer(waiting, schema) if schema else {"description": waiting},
        },
    }


def _open(operation: Document) -> Document:
    return operation | {"security": []}
