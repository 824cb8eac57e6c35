"""One field of a form: its name on the wire, what it may hold, and where its value goes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from serve_app.fields.form_values import ABSENT, Sent, read_value
from serve_app.fields.schema_words import Schema

Reader = Callable[["FormField", Sent], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class FormField:
    """A row of the table from which both the parser and the documentation are made.

    ``name`` ends with ``[]`` for a list. ``target`` is the value's place, as in ``decoding.beam_size``; a
    field that goes to several places, or whose text needs more than its schema, has a ``read`` of its own.
    ``standard`` fields are those of the hosted API. ``blank``: an empty text is a value, not an absence.
    """

    name: str
    schema: Schema
    description: str
    target: str = ""
    aliases: tuple[str, ...] = ()
    standard: bool = False
    blank: bool = False
    read: Reader | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All names of the field, without brackets."""
        return tuple(name.removesuffix("[]") for name in (self.name, *self.aliases))

    def values(self, sent: Sent) -> Mapping[str, Any]:
        """Values by target; none if what was sent is empty. Raises InvalidRequest."""
        if self.read is not None:
            return self.read(self, sent)
        value = read_value(sent, self.schema, blank=self.blank)
        return {} if value is ABSENT else {self.target: value}


def schemas_of(model: type[BaseModel]) -> dict[str, Schema]:
    """JSON schemas of a model's fields, by field name."""
    properties = model.model_json_schema()["properties"]
    return {
        name: {key: value for key, value in schema.items() if key != "title"}
        for name, schema in properties.items()
    }


def fields_of(
    model: type[BaseModel], section: str, descriptions: Mapping[str, str], *, prefix: str = "", **aliases: str
) -> Iterator[FormField]:
    """A field for every description of a model's field; ``aliases`` by the model's name of the field."""
    schemas = schemas_of(model)
    for name, description in descriptions.items():
        yield FormField(
            f"{prefix}{name}",
            schemas[name],
            description,
            f"{section}.{name}",
            aliases=(aliases[name],) if name in aliases else (),
            blank=section == "decoding",
        )
