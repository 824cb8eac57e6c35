"""The tensors of a saved module, or of a saved state dict, by their names."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from deployments.text_classification.conversion.records import Record, View
from deployments.text_classification.conversion.refusal import ConversionRefused, shown

MOST_TENSORS = 2_000  # a RoBERTa of 24 layers has 400, in 450 modules
MOST_MODULES = 2_000
MOST_PARTS = 1_000  # of one module
DEEPEST = 32
LONGEST_NAME = 64

_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


def tensors_of(saved: object) -> dict[str, View]:
    """Parameters and buffers by their dotted names. Raises ConversionRefused if ``saved`` is neither a module nor
    a state dict, or a module that is more than its parameters, buffers and parts.
    """
    named: Iterable[tuple[Any, Any]]
    if isinstance(saved, dict):
        named = saved.items()
    elif isinstance(saved, Record) and is_module(saved):
        named = _walk(saved)
    else:
        raise ConversionRefused("The file holds neither a module nor a state dict.")
    views = {}
    for name, value in islice(named, MOST_TENSORS + 1):
        if not isinstance(name, str) or not isinstance(value, View):
            raise ConversionRefused(f"The part {shown([str(name)])} is no tensor.")
        views[name] = value
    if len(views) > MOST_TENSORS:
        raise ConversionRefused(f"The file holds more than {MOST_TENSORS} tensors.")
    return views


def is_module(record: Record) -> bool:
    """Whether a record is that of a torch module."""
    return isinstance(record.state, dict) and "_modules" in record.state


def parts_of(module: Record) -> dict[str, Record]:
    """The modules directly below a module, by their names."""
    parts = {}
    for name, part in _table(module, "_modules"):
        if part is None:
            continue
        if not isinstance(part, Record) or not is_module(part):
            raise ConversionRefused(f"The part {shown([name])} of a {shown([str(module.kind)])} is no module.")
        parts[name] = part
    return parts


def _walk(root: Record) -> Iterator[tuple[str, object]]:
    waiting = [("", root, 0)]
    visited = 0
    while waiting:
        prefix, module, depth = waiting.pop()
        visited += 1
        if any(module.state.get(hooks) for hooks in _HOOKS):
            raise ConversionRefused(
                f"The module {shown([prefix or 'itself'])} has forward hooks, which change what it computes."
            )
        for table in ("_parameters", "_buffers"):
            for name, value in _table(module, table):
                if value is not None:
                    yield prefix + name, value
        waiting.extend((f"{prefix}{name}.", part, depth + 1) for name, part in parts_of(module).items())
        # A module may hold itself, or the same one many times over.
        if visited + len(waiting) > MOST_MODULES or depth > DEEPEST:
            raise ConversionRefused(
                f"The file holds more than {MOST_MODULES} modules, or more than {DEEPEST} within each other."
            )


def _table(module: Record, name: str) -> Iterator[tuple[str, Any]]:
    table = module.state.get(name)
    if not isinstance(table, dict) or len(table) > MOST_PARTS:
        raise ConversionRefused(f"{shown([name])} of a {shown([str(module.kind)])} is missing or too long.")
    for key, value in table.items():
        if not isinstance(key, str) or not key or "." in key or len(key) > LONGEST_NAME:
            raise ConversionRefused(f"A module cannot have a part named {shown([str(key)])}.")
        yield key, value
