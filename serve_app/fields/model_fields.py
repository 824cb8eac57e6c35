"""Fields of a body as the model that describes them, and what of them was wrong."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from deployments.errors import InvalidRequest

MAX_ERRORS = 20
MAX_ENTRIES = 20
MAX_DEPTH = 4
LONGEST_TEXT = 200

Details = Mapping[str, Any]
Model = TypeVar("Model", bound=BaseModel)


class Unprocessable(InvalidRequest):
    """A body that can be read, but whose fields are wrong. ``details`` are pydantic's, fit for JSON."""

    status = 422

    def __init__(self, details: Iterable[Details]) -> None:
        self.details = tuple(details)
        first = self.details[0]
        where = ".".join(map(str, first["loc"]))
        super().__init__(f"{where}: {first['msg']}" if where else str(first["msg"]), param=where or None)

    @classmethod
    def of(cls, error: ValidationError) -> "Unprocessable":
        """What a model did not take. Values are cut to what a client needs to recognize them."""
        problems = error.errors(include_url=False)[:MAX_ERRORS]
        return cls({**{key: shown_value(value) for key, value in one.items()}, "in": "body"} for one in problems)


def validated(model: type[Model], fields: Mapping[str, Any]) -> Model:
    """A model of the fields. Raises Unprocessable."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise Unprocessable.of(error) from error


def unknown_fields(body: BaseModel, fields: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that a body's model does not have."""
    return tuple(name for name in fields if name not in type(body).model_fields)


def shown_value(value: Any, depth: int = 0) -> Any:
    """A client's value as JSON of a readable size: bytes and what lies deep are named by their types."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if value - value == 0 else str(value)
        case str():
            return value if len(value) <= LONGEST_TEXT else value[:LONGEST_TEXT] + "…"
        case Mapping() if depth < MAX_DEPTH:
            return {
                str(key)[:LONGEST_TEXT]: shown_value(one, depth + 1)
                for key, one in list(value.items())[:MAX_ENTRIES]
            }
        case list() | tuple() if depth < MAX_DEPTH:
            return [shown_value(one, depth + 1) for one in value[:MAX_ENTRIES]]
        case Exception():
            return str(value)
    return type(value).__name__
