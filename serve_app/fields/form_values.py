"""Text of form fields into values, by the same JSON schemas that the documentation prints."""

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

from deployments.errors import InvalidRequest
from deployments.texts import SHOWN, kind_of
from serve_app.fields.schema_words import Schema, expectation, is_nullable, plain_schema

ABSENT: Any = object()
TRUE = frozenset({"true", "1", "yes", "on"})
FALSE = frozenset({"false", "0", "no", "off"})
NONE = frozenset({"none", "null"})
LONGEST_QUOTE = 60
MAX_FIELDS = 2_000
MAX_TEXT_BYTES = 4 * 1024**2  # of all fields together
MAX_ENTRIES = 20_000  # of one list
_NUMBER = re.compile(r"[+-]?(\d{1,100}(\.\d{0,100})?|\.\d{1,100})(e[+-]?\d{1,4})?", re.ASCII | re.IGNORECASE)


@dataclass(slots=True)
class Sent:
    """What a client sent under one name.

    ``name`` is the client's spelling without brackets. ``values`` came as ``name`` or ``name[]``, of which
    ``listed`` says whether the brackets were there; ``parts`` came as ``name[key]``.
    """

    name: str
    values: list[str] = field(default_factory=list)
    listed: bool = False
    parts: dict[str, str] = field(default_factory=dict)


def read_value(sent: Sent, schema: Schema, *, blank: bool = False) -> Any:
    """The value of a field according to its schema, ABSENT for an empty one unless ``blank`` is a value.

    Raises InvalidRequest with the field's name and what it has to be.
    """
    plain = plain_schema(schema)
    if sent.parts:
        raise InvalidRequest(f"`{sent.name}` has no parts such as `{next(iter(sent.parts))}`.", param=sent.name)
    if plain["type"] == "array":
        return _read_list(sent, schema, plain)
    if len(sent.values) != 1:
        raise InvalidRequest(f"`{sent.name}` was sent {len(sent.values)} times; send it once.", param=sent.name)
    text = sent.values[0]
    if not text.strip() and not (blank and plain["type"] == "string"):
        return ABSENT
    if is_nullable(schema) and plain["type"] != "string" and text.strip().lower() in NONE:
        return None
    value = _read_scalar(text, plain)
    if value is ABSENT or not fits(value, plain):
        raise wrong_value(sent.name, text, schema)
    return value


def read_json(sent: Sent, text: str) -> Any:
    """The JSON in a field. Raises InvalidRequest if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"`{sent.name}` is not valid JSON: {quoted(text)}.", param=sent.name) from error


def as_form_text(value: Any) -> str:
    """A JSON scalar as a form would have sent it; anything deeper as JSON, which no scalar field takes."""
    return value if isinstance(value, str) else json.dumps(value)


def split_list(sent: Sent, *, commas: bool = True) -> list[str]:
    """All entries of a list: of repeated fields, of JSON lists and, unless texts may hold commas, of
    comma-separated texts."""
    entries: list[str] = []
    for text in sent.values:
        if text.lstrip().startswith("[") and (commas or _is_json(text)):
            more = read_json(sent, text)
        elif commas:
            more = [part.strip() for part in text.split(",") if part.strip()]
        else:
            more = [text.strip()] if text.strip() else []
        if len(entries) + len(more) > MAX_ENTRIES:
            raise InvalidRequest(f"`{sent.name}` has more than {MAX_ENTRIES} entries.", param=sent.name)
        entries += map(as_form_text, more)
    return entries


def wrong_value(name: str, text: str, schema: Schema) -> InvalidRequest:
    """The error for a value that is not what it has to be."""
    return InvalidRequest(f"`{name}` has to be {expectation(schema)}, not {quoted(text)}.", param=name)


def quoted(text: str) -> str:
    """A client's text in an error message, cut to a readable length."""
    return repr(text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE] + "…")


def value_in_words(value: Any) -> str:
    """A client's JSON value in an error message: what comes after "not"."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)[:SHOWN]
    return kind_of(value)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _read_list(sent: Sent, schema: Schema, plain: Schema) -> Any:
    items = plain["items"]
    entries = split_list(sent)
    values = [_read_scalar(entry, items) for entry in entries]
    if not values:
        return ABSENT
    for entry, value in zip(entries, values, strict=True):
        if value is ABSENT or not fits(value, items):
            raise wrong_value(sent.name, entry, schema)
    if len(values) > plain.get("maxItems", math.inf):
        raise InvalidRequest(
            f"`{sent.name}` has to be {expectation(schema)}; these are {len(values)}.", param=sent.name
        )
    return tuple(values)


def _read_scalar(text: str, schema: Schema) -> Any:
    stripped = text.strip()
    match schema["type"]:
        case "string":
            return text if "enum" not in schema else stripped
        case "boolean":
            word = stripped.lower()
            return word in TRUE if word in TRUE | FALSE else ABSENT
    if not _NUMBER.fullmatch(stripped):
        return ABSENT
    number = float(stripped)
    if not math.isfinite(number):
        return ABSENT
    if schema["type"] == "number":
        return number
    return int(number) if number.is_integer() and abs(number) < 2**53 else ABSENT


def fits(value: Any, schema: Schema) -> bool:
    """Whether a text or a number is within a schema's choices and limits."""
    if isinstance(value, str):
        return len(value) <= schema.get("maxLength", math.inf) and value in schema.get("enum", (value,))
    least: float = schema.get("minimum", -math.inf)
    most: float = schema.get("maximum", math.inf)
    above: float = schema.get("exclusiveMinimum", -math.inf)
    return bool(least <= value <= most and above < value)
