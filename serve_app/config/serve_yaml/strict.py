"""Checks data against pydantic models more strictly than the models do, and finds everything at once.

Serve ignores unknown keys, and pydantic stops at a field error before it looks at the whole. Both matter here:
the permitted keys are read from the models themselves, and what is wrong is set aside to see what else is.
"""

import copy
import difflib
import types
import typing
import warnings
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, TypeVar, Union

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from serve_app.config.serve_yaml.document import Place

Model = TypeVar("Model", bound=BaseModel)
Report = Callable[[Place, str], None]


def strip_unknown(annotation: Any, value: Any, place: Place, report: Report) -> Any:
    """A copy of ``value`` without keys that the annotation's models do not have; each of these is reported."""
    options = list(_options(annotation))
    models = [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]
    if isinstance(value, dict) and models:
        fields = {name: field for model in _fitting(models, value) for name, field in _fields(model)}
        kept = {}
        for key, inner in value.items():
            if key in fields:
                kept[key] = strip_unknown(fields[key], inner, (*place, key), report)
            else:
                report((*place, str(key)), f"unknown key{_meant(str(key), list(fields))}")
        return kept
    if isinstance(value, list):
        items = [arg for option in options for arg in typing.get_args(option) if arg is not Ellipsis]
        each = Union[tuple(items)] if items else Any  # noqa: UP007 - made of a list
        return [strip_unknown(each, item, (*place, index), report) for index, item in enumerate(value)]
    return value


def _ignore(_: Place, __: str) -> None:
    pass


def validate(model: type[Model], data: Any, place: Place, report: Report, warn: Report = _ignore) -> Model | None:
    """The validated model, or None after reporting everything that is wrong.

    A wrong value is set aside so that the checks of the whole run too; what they say about something from
    which a value was set aside is not reported. Warnings raised by the model go to ``warn``.
    """
    rest = copy.deepcopy(data)
    aside: set[Place] = set()
    while True:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = model.model_validate(rest)
                errors: dict[Place, list[str]] = {}
            except ValidationError as error:
                errors = _by_place(error, rest)
                errors = {at: said for at, said in errors.items() if not _emptied(at, error, errors)}
            except Exception as error:  # validators import what the data names, which may do anything
                errors = {(): [f"{type(error).__name__}: {error}"]}
        fresh = {where: said for where, said in errors.items() if not _follows(where, aside)}
        for where, said in fresh.items():
            report((*place, *where), " or ".join(said))
        removed = [where for where in fresh if _remove(rest, where)]
        if not removed:
            break
        aside.update(removed)
    if aside or errors:
        return None
    for warning in caught:
        warn(place, _one_line(str(warning.message)))
    return result


def hidden_models(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel], bool]]:
    """Fields that take a mapping as well as a model, so that pydantic does not look into the mapping.

    Yields the field's name, the model, and whether the field holds a list of them.
    """
    for name, annotation in _fields(model):
        for option in _options(annotation):
            inner = [option, *typing.get_args(option)] if typing.get_origin(option) is list else [annotation]
            choices = [choice for part in inner for choice in _options(part)]
            models = [c for c in choices if isinstance(c, type) and issubclass(c, BaseModel)]
            if models and any(choice is dict or typing.get_origin(choice) is dict for choice in choices):
                yield name, models[0], typing.get_origin(option) is list
                break


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field.annotation


def _fitting(models: list[type[BaseModel]], value: dict[str, Any]) -> list[type[BaseModel]]:
    """The models of a union that the value's tags do not rule out; all if they rule out every one."""
    return [model for model in models if all(_fits(field, value, name) for name, field in _tags(model))] or models


def _tags(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    return (
        (n, field) for n, field in model.model_fields.items() if typing.get_origin(field.annotation) is Literal
    )


def _fits(field: FieldInfo, value: dict[str, Any], name: str) -> bool:
    return value.get(name, field.default) in typing.get_args(field.annotation)


def _options(annotation: Any) -> Iterator[Any]:
    """What an annotation permits, unions and ``Annotated`` taken apart."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        yield from _options(typing.get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for arg in typing.get_args(annotation):
            yield from _options(arg)
    else:
        yield annotation


def _meant(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(sorted(known))}" if len(known) <= 12 else ""


def _by_place(error: ValidationError, data: Any) -> dict[Place, list[str]]:
    """Sentences by place. The alternatives of a union are one place."""
    sentences: dict[Place, list[str]] = {}
    for item in error.errors(include_url=False):
        where = _place(item["loc"], data, missing=item["type"] == "missing")
        said = _sentence(item)
        if said not in sentences.setdefault(where, []):
            sentences[where].append(said)
    return sentences


def _sentence(item: ErrorDetails) -> str:
    match item["type"]:
        case "missing":
            return "is missing"
        case "dict_type" | "model_type":
            return "must be a mapping"
        case "list_type" | "tuple_type":
            return "must be a list"
        case "value_error" | "assertion_error":
            return _one_line(item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, "))
    said = item["msg"].partition(", unable to parse")[0].replace("Input should be", "must be")
    return f"{said}, not {item['input']!r}" if isinstance(item["input"], str | int | float | bool | None) else said


def _place(loc: tuple[int | str, ...], data: Any, missing: bool) -> Place:
    """The part of pydantic's location that exists in the data: it also names the branches of unions."""
    place: list[int | str] = []
    for part in loc:
        if _has(data, part):
            data = data[part]
            place.append(part)
        elif missing and part == loc[-1]:
            return (*place, part)
    return tuple(place)


def _emptied(place: Place, error: ValidationError, errors: dict[Place, list[str]]) -> bool:
    """Whether a list is only too short because its items are wrong."""
    short = any(item["type"] == "too_short" and item["loc"] == place for item in error.errors())
    return short and any(other[: len(place)] == place and other != place for other in errors)


def _has(data: Any, part: int | str) -> bool:
    if isinstance(data, list):
        return isinstance(part, int) and part < len(data)
    return isinstance(data, dict) and part in data


def _follows(place: Place, aside: set[Place]) -> bool:
    """Whether a complaint about ``place`` may only be the consequence of what was set aside."""
    return any(place[: len(one)] == one or (place and one[: len(place)] == place) for one in aside)


def _remove(data: Any, place: Place) -> bool:
    for part in place[:-1]:
        data = data[part]
    if not place or not isinstance(data, dict) or place[-1] not in data:
        return False
    del data[place[-1]]
    return True


def _one_line(text: str) -> str:
    return " ".join(text.split())
