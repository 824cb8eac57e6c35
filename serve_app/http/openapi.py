"""The OpenAPI 3.1 document, made from the same field tables as the parsers."""

from deployments.model_state import Phase
from serve_app.config.tasks import TASKS
from serve_app.http.fish import openapi as fish
from serve_app.http.health import Readiness
from serve_app.http.jobs import openapi as job_api
from serve_app.http.openai import openapi as openai
from serve_app.http.openai.schemas import AUDIO_SCHEMAS, MODEL_SCHEMAS, MODERATION_SCHEMAS
from serve_app.http.openapi_parts import (
    AMOUNT,
    BOOLEAN,
    INTEGER,
    PROBABILITY,
    SECONDS,
    STRING,
    Document,
    enum_of,
    json_answer,
    json_operation,
    list_of,
    nullable,
    object_of,
    ref,
    texts_operation,
)
from serve_app.tasks.classification.fields import CLASSIFICATION

CLASSIFICATION_SCHEMAS: dict[str, Document] = {
    "TextScores": {
        **object_of(text=STRING, label=STRING, truncated=BOOLEAN),
        "additionalProperties": PROBABILITY,
        "description": "A score for every label of the model, beside the text as it was sent, its most probable "
        "label, and whether the text was too long for the model and has been cut.",
    },
}
QUEUES = {
    f"queued_{row.queue_unit}_": SECONDS if row.queue_unit.endswith("_s") else AMOUNT for row in TASKS.values()
}
STATE_SCHEMAS: dict[str, Document] = {
    "State": object_of(
        phase=enum_of(Phase),
        progress=nullable(PROBABILITY),
        detail_=STRING,
        **QUEUES,
        active_requests_=INTEGER,
    ),
}
PROBE_SCHEMAS: dict[str, Document] = {
    "Health": object_of(status=STRING),
    "Readiness": object_of(
        status=enum_of(Readiness),
        models={"type": "object", "additionalProperties": ref("State")},
    ),
}


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
            **openai.audio_paths(),
            **openai.moderation_paths(),
            **_classification_paths(),
            **openai.model_paths(),
            **_probe_paths(),
            **fish.paths(),
            **(job_api.paths() if jobs else {}),
        },
        "components": {
            "schemas": {
                **AUDIO_SCHEMAS,
                **CLASSIFICATION_SCHEMAS,
                **MODERATION_SCHEMAS,
                **STATE_SCHEMAS,
                **MODEL_SCHEMAS,
                **PROBE_SCHEMAS,
                **fish.SCHEMAS,
                **(job_api.SCHEMAS if jobs else {}),
            },
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "headers": {
                "RequestId": {"description": "Id of the request.", "schema": STRING},
                "RetryAfter": {"description": "Seconds to wait.", "schema": {**INTEGER, "minimum": 1}},
                "IgnoredFields": {"description": "Names of fields that nothing here knows.", "schema": STRING},
            },
        },
    }


def _classification_paths() -> Document:
    answer = {"anyOf": [ref("TextScores"), list_of(ref("TextScores"))]}
    return {
        "/v1/classify": {"post": texts_operation("classify", "Scores of texts by label.", CLASSIFICATION, answer)}
    }


def _probe_paths() -> Document:
    alive = json_operation("healthz", "Whether the server is alive.", "Health")
    return {
        "/healthz": {"get": _open(alive)},
        "/readyz": {"get": _open(_probe("readyz", "Whether every model is ready.", "503", "Readiness"))},
        "/ping": {"get": _open(_probe("ping", "The same for load balancers.", "204", None))},
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
