"""Rows of documentation, made of the models that read the bodies."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from serve_app.fields.json_field import JsonField
from serve_app.fields.schema_words import Schema


def fields_of(model: type[BaseModel]) -> list[JsonField]:
    """A row for every field of a model, in its order."""
    document = model.model_json_schema()
    definitions, required = document.get("$defs", {}), document.get("required", ())
    return [
        JsonField(name, _plain(schema, definitions), schema["description"], required=name in required)
        for name, schema in document["properties"].items()
    ]


def _plain(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """A schema that refers to nothing and has no title."""
    if "$ref" in schema:
        return _plain(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    plain = {key: value for key, value in schema.items() if key not in ("title", "description")}
    if plain.get("default", "") is None:
        del plain["default"]
    for key in ("anyOf", "properties", "items"):
        match plain.get(key):
            case list() as several:
                plain[key] = [_plain(one, definitions) for one in several]
            case dict() as one if key == "items":
                plain[key] = _plain(one, definitions)
            case dict() as named:
                plain[key] = {name: _plain(one, definitions) for name, one in named.items()}
    return plain
