"""Values that every JSON parser reads. RunPod's SDK loses results that it cannot write, without a word."""

import json
import math
from collections.abc import Mapping
from typing import Any

from deployments.errors import InternalError

DEEPEST = 100


def json_safe(value: Any) -> Any:
    """The value itself if JSON has room for all of it, else a copy with null for numbers that are none (NaN,
    infinities), lists for tuples, plain numbers for numpy's, and U+FFFD for halves of characters.

    Raises InternalError for anything else, such as bytes.
    """
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        return _copied(value, 0)
    return value


def _copied(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise InternalError(f"The result cannot be written as JSON: it is nested deeper than {DEEPEST} levels.")
    match value:
        case None | bool() | int():
            return value
        case float():
            return float(value) if math.isfinite(value) else None
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case Mapping():
            return {_key(key): _copied(each, depth + 1) for key, each in value.items()}
        case list() | tuple():
            return [_copied(each, depth + 1) for each in value]
    plain = getattr(value, "tolist", None)  # numpy's scalars and arrays
    if plain is None:
        raise InternalError(f"The result cannot be written as JSON: it holds a {type(value).__name__}.")
    return _copied(plain(), depth + 1)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str(_copied(key, 0))
    if key is None or isinstance(key, bool | int | float):
        return str(next(iter(json.loads(json.dumps({key: 0})))))
    raise InternalError(f"The result cannot be written as JSON: it has a {type(key).__name__} for a key.")
