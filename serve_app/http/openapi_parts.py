"""What the parts of the OpenAPI document share."""

from collections.abc import Iterable
from typing import Any

from serve_app.fields.form_field import FormField
from serve_app.fields.json_field import JsonField

Document = dict[str, Any]

ERRORS = {
    "400": "A field is missing, wrong, or cannot be honoured; the message says what to change.",
    "401": "The API key is missing or wrong.",
    "404": "No served model, or no voice, has this name.",
    "413": "The body, the audio or a text is larger than this server takes.",
    "415": "The body has a content type that this route does not read.",
    "429": "The queue is full; `Retry-After` says when to try again.",
    "500": "The server failed; its log has the details under the id in `x-request-id`.",
    "503": "The model is loading or lost its replica; try again.",
    "504": "The request took longer than allowed.",
}
RETRIED = ("429", "503")
HEADERS = {
    "x-request-id": {"$ref": "#/components/headers/RequestId"},
    "X-Ignored-Fields": {"$ref": "#/components/headers/IgnoredFields"},
}


def property_of(field: FormField | JsonField) -> Document:
    """The schema of a body's field with its words; `x-hosted` is whether the hosted API has it."""
    aliases = f" Also `{'`, `'.join(field.aliases)}`." if field.aliases else ""
    return {**field.schema, "description": field.description + aliases, "x-hosted": field.standard}


def errors_of(statuses: Iterable[str]) -> Document:
    """Responses with these statuses."""
    waiting = {"headers": {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}}
    return {
        status: json_answer(ERRORS[status], "Error") | (waiting if status in RETRIED else {})
        for status in statuses
    }


def json_answer(description: str, schema: str) -> Document:
    """A response of JSON by the name of its schema."""
    return {"description": description, "content": {"application/json": {"schema": ref(schema)}}}


def ref(schema: str) -> Document:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{schema}"}
