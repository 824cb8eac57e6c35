"""Fields of a body as the model that describes them."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from serve_app.http.fish.errors import Unprocessable

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], fields: Mapping[str, Any]) -> Model:
    """A model of the fields. Raises Unprocessable."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise Unprocessable.of(error) from error


def unknown_fields(body: BaseModel, fields: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that a body's model does not have."""
    return tuple(name for name in fields if name not in type(body).model_fields)
