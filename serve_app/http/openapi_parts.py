"""What the parts of the OpenAPI document are made of: schemas, request bodies, answers, errors."""

from collections.abc import Iterable, Sequence
from typing import Any, get_args

from serve_app.fields.form_field import FormField
from serve_app.fields.json_field import JsonField

Document = dict[str, Any]

STRING: Document = {"type": "string"}
NUMBER: Document = {"type": "number"}
INTEGER: Document = {"type": "integer"}
BOOLEAN: Document = {"type": "boolean"}
PROBABILITY: Document = {"type": "number", "minimum": 0, "maximum": 1}
AMOUNT: Document = {"type": "number", "minimum": 0}
SECONDS: Document = {**AMOUNT, "description": "seconds"}
BINARY: Document = {"type": "string", "format": "binary"}

JSON, FORM = "application/json", "multipart/form-data"
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
SPEECH_HEADERS = {
    **HEADERS,
    "X-Sample-Rate": {"description": "Of the audio, in Hz.", "schema": INTEGER},
    "X-Seed": {"description": "Repeats this speech.", "schema": INTEGER},
    "X-Judged-Pieces": {
        "description": "Pieces in which a classifier has read the text, if there is one.",
        "schema": INTEGER,
    },
    "X-Cut": {
        "description": "Whether a segment reached its bound; only of audio that is not streamed.",
        "schema": BOOLEAN,
    },
}


def object_of(**properties: Document) -> Document:
    """An object all of whose properties are present, except those named with a trailing underscore."""
    required = [name for name in properties if not name.endswith("_")]
    return {
        "type": "object",
        "properties": {name.removesuffix("_"): schema for name, schema in properties.items()},
        **({"required": required} if required else {}),
    }


def map_of(values: Document) -> Document:
    """An object with any keys."""
    return {"type": "object", "additionalProperties": values}


def list_of(items: Document) -> Document:
    """A list of any length."""
    return {"type": "array", "items": items}


def nullable(schema: Document) -> Document:
    """A value, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def enum_of(literal: Any) -> Document:
    """A value of a ``Literal`` type."""
    return {"enum": list(get_args(literal))}


def ref(schema: str) -> Document:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{schema}"}


def property_of(field: FormField | JsonField) -> Document:
    """The schema of a body's field with its words; `x-hosted` is whether the hosted API has it."""
    aliases = f" Also `{'`, `'.join(field.aliases)}`." if field.aliases else ""
    return {**field.schema, "description": field.description + aliases, "x-hosted": field.standard}


def request_body(fields: Sequence[JsonField], *content_types: str) -> Document:
    """A body with these fields, in any of the content types."""
    schema: Document = {"type": "object", "properties": {field.name: property_of(field) for field in fields}}
    if required := [field.name for field in fields if field.required]:
        schema["required"] = required
    return {"required": True, "content": {each: {"schema": schema} for each in content_types}}


def json_answer(description: str, schema: str) -> Document:
    """A response of JSON by the name of its schema."""
    return {"description": description, "content": {JSON: {"schema": ref(schema)}}}


def json_operation(operation: str, summary: str, schema: str, *errors: str) -> Document:
    """An operation that answers JSON of a schema, or one of these statuses."""
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {"200": json_answer(summary, schema), **errors_of(errors)},
    }


def texts_operation(operation: str, summary: str, fields: Sequence[JsonField], answer: Document) -> Document:
    """An operation about the texts in the field `input` of a JSON body."""
    return {
        "operationId": operation,
        "summary": summary,
        "description": "`input` is required.",
        "requestBody": request_body(fields, JSON),
        "responses": {
            "200": {"description": summary, "headers": HEADERS, "content": {JSON: {"schema": answer}}},
            **errors_of(ERRORS),
        },
    }


def errors_of(statuses: Iterable[str]) -> Document:
    """Responses with these statuses."""
    waiting = {"headers": {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}}
    return {
        status: json_answer(ERRORS[status], "Error") | (waiting if status in RETRIED else {})
        for status in statuses
    }
