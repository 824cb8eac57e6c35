"""torch's own callables, the only ones that a pickle may call: what they would make, described."""

from collections.abc import Callable
from math import prod
from typing import Any

import torch

from deployments.text_classification.conversion.records import Name, Record, Storage, View
from deployments.text_classification.conversion.refusal import ConversionRefused, shown

MOST_DIMENSIONS = 8
MOST_ELEMENTS = 1 << 40
LONGEST_KEY = 9  # digits

_DTYPES = {
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.DoubleStorage": torch.float64,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
_TENSOR_CLASSES = ("torch.Tensor", "torch.nn.parameter.Parameter")
_NO_METADATA: tuple[object, ...] = ((), (None,), ({},))  # else the tensor is conjugated or negated when it is read
# Harmless parts of modules, on which no tensor depends. Built-in functions are pickled as getattr of their class.
_DESCRIBED = ("builtins.getattr", "builtins.set", "torch.Size", "torch.device")


def storage(identity: object) -> Storage:
    """The storage behind a persistent id. Raises ConversionRefused for ids that torch does not write."""
    match identity:
        case ("storage", Name() as kind, str(key), str(), int(numel)) if len(key) <= LONGEST_KEY:
            if str(kind) not in _DTYPES:
                raise ConversionRefused(f"The file holds a storage of the type {shown([str(kind)])}.")
            if key.isdecimal() and key.isascii() and 0 <= numel <= MOST_ELEMENTS:
                return Storage(key, _DTYPES[str(kind)], int(numel))
    raise ConversionRefused("A persistent id in the file is not that of a storage.")


def call(callee: Name, args: tuple[Any, ...]) -> object:
    """What a call makes: a mapping, a view, or a record. Raises LookupError if the name is not one of torch's
    callables, ConversionRefused if torch does not call it in this way.
    """
    name = str(callee)
    if name in _DESCRIBED:
        return Record(callee, args)
    if name not in _CALLABLES:
        raise LookupError(name)
    result = _CALLABLES[name](args)
    if result is None:
        raise ConversionRefused(f"The file calls {name} with arguments with which torch does not call it.")
    return result


def _mapping(args: tuple[Any, ...]) -> dict[Any, Any] | None:
    return {} if args == () else None


def _tensor(args: tuple[Any, ...]) -> View | None:
    match args[:6]:
        case (Storage() as source, int(offset), tuple(shape), tuple(stride), bool(), _) if (
            args[6:] in _NO_METADATA
        ):
            if _within(source, offset, shape, stride):
                return View(source, offset, shape, stride)
    return None


def _parameter(args: tuple[Any, ...]) -> View | None:
    match args:
        case (View() as view, bool(), _) | (View() as view, bool(), _, _):
            return view
    return None


def _of_type(args: tuple[Any, ...]) -> View | None:
    match args:
        case (Name() as function, Name() as kind, tuple(inner), _) if str(kind) in _TENSOR_CLASSES:
            rebuild = _REBUILDS.get(str(function))
            return rebuild(inner) if rebuild else None
    return None


def _within(source: Storage, offset: int, shape: tuple[Any, ...], stride: tuple[Any, ...]) -> bool:
    """Whether a view lies within its storage and visits no more elements than there are."""
    if len(shape) != len(stride) or len(shape) > MOST_DIMENSIONS:
        return False
    numbers = (offset, *shape, *stride)
    if not all(type(number) is int and 0 <= number <= MOST_ELEMENTS for number in numbers):
        return False
    if not prod(shape):
        return offset <= source.numel
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    return bool(last < source.numel and prod(shape) <= source.numel)


_REBUILDS: dict[str, Callable[[tuple[Any, ...]], View | None]] = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
}
_CALLABLES: dict[str, Callable[[tuple[Any, ...]], object]] = {
    **_REBUILDS,
    "torch._tensor._rebuild_from_type": _of_type,
    "torch._tensor._rebuild_from_type_v2": _of_type,
    "collections.OrderedDict": _mapping,
}
