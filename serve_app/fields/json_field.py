"""One field of a JSON body, the fields that a client sent, and the header that names those nobody here knows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote

from deployments.errors import InvalidRequest
from serve_app.fields.form_values import as_form_text, fits, wrong_value
from serve_app.fields.schema_words import Schema, expectation, plain_schema

MAX_NAMES = 32
LONGEST_NAME = 64
JSON_TYPES: Mapping[str, set[type]] = {
    "string": {str},
    "boolean": {bool},
    "integer": {int},
    "number": {int, float},
}


@dataclass(frozen=True, slots=True)
class JsonField:
    """A row of a table from which both a parser and its documentation are made.

    ``standard`` fields are those of the hosted API. ``aliases`` are other names of the same field.
    """

    name: str
    schema: Schema
    description: str
    aliases: tuple[str, ...] = ()
    standard: bool = False
    required: bool = False


MODEL = JsonField(
    "model",
    {"type": "string", "maxLength": 256},
    "Id or alias of a served model; the default model if absent.",
    standard=True,
)


@dataclass(frozen=True, slots=True)
class JsonFields:
    """What a client sent: values by the field's own name, the client's names of them, keys that no field has."""

    values: Mapping[str, Any]
    names: Mapping[str, str]
    ignored: tuple[str, ...]

    def text(self, row: JsonField) -> str | None:
        """A text of at most the schema's length; None if it is absent or empty. Raises InvalidRequest."""
        value = self.values.get(row.name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > row.schema["maxLength"]:
            name = self.names[row.name]
            raise InvalidRequest(f"`{name}` has to be {expectation(row.schema)}.", param=name)
        return value

    def scalar(self, row: JsonField) -> Any:
        """A text, number or boolean as the schema wants it; None if absent or empty. Raises InvalidRequest."""
        value = self.values.get(row.name)
        if value is None or value == "":
            return None
        schema = plain_schema(row.schema)
        if schema["type"] == "integer" and isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) not in JSON_TYPES[schema["type"]] or not fits(value, schema):
            raise wrong_value(self.names[row.name], as_form_text(value), row.schema)
        return value


def sort_fields(body: Mapping[str, Any], table: Iterable[JsonField]) -> JsonFields:
    """The values of a body by the fields of a table. Beside another name of the same field null counts as absent.

    Raises InvalidRequest if a required field is absent, or was sent under two of its names.
    """
    values: dict[str, Any] = {}
    names: dict[str, str] = {}
    known: set[str] = set()
    for row in table:
        spellings = (row.name, *row.aliases)
        known.update(spellings)
        present = [name for name in spellings if name in body]
        sent = [name for name in present if body[name] is not None] or present[:1]
        if len(sent) > 1:
            raise InvalidRequest(
                f"`{sent[0]}` and `{sent[1]}` mean the same; send only one of them.", param=sent[1]
            )
        if sent:
            values[row.name], names[row.name] = body[sent[0]], sent[0]
        elif row.required:
            raise InvalidRequest(
                f"`{row.name}` is missing; it has to be {expectation(row.schema)}.", param=row.name
            )
    return JsonFields(values, names, tuple(name for name in body if name not in known))


def ignored_header(names: Iterable[str]) -> dict[str, str]:
    """``X-Ignored-Fields`` with the first names, or nothing if there are none."""
    quoted = [quote(name[:LONGEST_NAME], safe="[]()_-.:", errors="replace") for name in islice(names, MAX_NAMES)]
    return {"X-Ignored-Fields": ", ".join(quoted)} if quoted else {}
