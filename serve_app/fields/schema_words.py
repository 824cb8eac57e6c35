"""JSON schemas in words, for error messages and for the documentation."""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]


def plain_schema(schema: Schema) -> Schema:
    """A schema without its alternative ``null``."""
    alternatives: list[Schema] = schema.get("anyOf", [schema])
    return next(s for s in alternatives if s.get("type") != "null")


def is_nullable(schema: Schema) -> bool:
    """Whether ``null`` is among a schema's alternatives."""
    return any(s.get("type") == "null" for s in schema.get("anyOf", ()))


def expectation(schema: Schema) -> str:
    """A schema in words: what comes after "has to be"."""
    words = [_words(s) for s in schema.get("anyOf", [schema]) if s.get("type") != "null"]
    none = is_nullable(schema) and plain_schema(schema)["type"] != "string"
    return " or ".join([*words, "none"] if none else words)


def _words(schema: Schema) -> str:
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    if "const" in schema:
        return str(schema["const"])
    match schema["type"]:
        case "boolean":
            return "true or false"
        case "integer":
            return "a whole number" + _range(schema)
        case "number":
            return "a number" + _range(schema)
        case "string" if schema.get("format") == "binary":
            return "a file"
        case "string":
            return "text" + (f" of at most {schema['maxLength']} characters" if "maxLength" in schema else "")
        case "object":
            return f"an object of {', '.join(schema['properties'])}"
    limit = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
    return f"a list of {_plural(schema['items'])}{limit}"


def _plural(items: Schema) -> str:
    if items["type"] == "object":
        return f"objects of {', '.join(items['properties'])}"
    if items.get("format") == "binary":
        return "files"
    nouns = {"array": "lists", "integer": "whole numbers", "number": "numbers", "string": "texts"}
    return (" or ".join(items.get("enum", ())) or nouns[items["type"]]) + _range(items)


def _range(schema: Schema) -> str:
    low, above, high = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    match low, above, high:
        case None, None, None:
            return ""
        case None, None, _:
            return f" of at most {high}"
        case None, _, None:
            return f" above {above}"
        case None, _, _:
            return f" above {above} and of at most {high}"
        case _, _, None:
            return f" of at least {low}"
    return f" from {low} to {high}"
