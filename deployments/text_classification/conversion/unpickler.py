"""A pickle read without running it.

Python's own unpickler imports what a file names, calls it, and lets a file ask for any amount of memory. This one
cannot: it knows no import and no call, only the opcodes that make data. Names stay names, objects become records,
and the few functions of torch that rebuild tensors are described by ``rebuilding.py``. Every step takes a bounded
time and a bounded memory, whatever the file says.
"""

import pickletools
import warnings
from collections.abc import Callable
from typing import Any

from deployments.text_classification.conversion import rebuilding
from deployments.text_classification.conversion.records import Name, Record
from deployments.text_classification.conversion.refusal import ConversionRefused, shown

MOST_STEPS = 500_000  # opcodes; a RoBERTa of 24 layers needs 60 000
LARGEST_KEY = 1 << 31
LONGEST_NAME = 500  # characters of a global

_DATA = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"}
_MALFORMED = (AttributeError, IndexError, KeyError, TypeError, ValueError)


class InertUnpickler:
    """Reads one pickle. ``names`` are the globals read so far, in the order of the file."""

    def __init__(self, pickle: bytes) -> None:
        self.names: dict[str, None] = {}
        self._pickle = pickle
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []  # what lies below each mark
        self._memo: dict[int, Any] = {}
        self._calls: dict[str, None] = {}

    def read(self) -> object:
        """The value that the pickle describes. Raises ConversionRefused for whatever is not plain data, records
        of objects, and tensors.
        """
        position = 0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of names with odd escapes
                for step, (opcode, argument, at) in enumerate(pickletools.genops(self._pickle)):
                    position = at or 0
                    if step >= MOST_STEPS:
                        raise ConversionRefused(f"data.pkl has more than {MOST_STEPS} opcodes.")
                    self._step(opcode.name, argument)
        except _MALFORMED as error:
            raise ConversionRefused(f"data.pkl is no valid pickle after byte {position}.") from error
        if self._calls:
            raise ConversionRefused(f"The file wants to call {shown(self._calls)}, which no tensor needs.")
        if len(self._stack) != 1 or self._marked or position + 1 != len(self._pickle):
            raise ConversionRefused("data.pkl is no valid pickle: it leaves something over at its end.")
        return self._stack[0]

    def _step(self, opcode: str, argument: Any) -> None:
        if opcode in _DATA:
            self._stack.append(argument)
        elif opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode]())
        elif opcode in _STEPS:
            _STEPS[opcode](self, argument)
        else:
            raise ConversionRefused(f"data.pkl holds the opcode {opcode}, which torch.save does not write.")

    def _nothing(self, _: object) -> None:
        pass

    def _mark(self, _: object) -> None:
        self._marked.append(self._stack)
        self._stack = []

    def _to_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._marked.pop()
        return items

    def _pop(self, _: object) -> None:
        self._stack.pop()

    def _tuple(self, _: object) -> None:
        items = self._to_mark()
        self._stack.append(tuple(items))

    def _tuple_of(self, count: int) -> None:
        items = [self._stack.pop() for _ in range(count)]
        self._stack.append(tuple(reversed(items)))

    def _append(self, _: object) -> None:
        item = self._stack.pop()
        self._extend([item])

    def _appends(self, _: object) -> None:
        items = self._to_mark()
        self._extend(items)

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise TypeError
        target.extend(items)

    def _set_item(self, _: object) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._update([key, value])

    def _set_items(self, _: object) -> None:
        items = self._to_mark()
        self._update(items)

    def _update(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not dict:
            raise TypeError
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Other keys could take for ever: hashes of deep tuples, of thousands of large numbers that collide.
            if not (isinstance(key, str) or (isinstance(key, int) and abs(key) < LARGEST_KEY) or key is None):
                raise ConversionRefused(
                    "data.pkl holds a mapping whose keys are neither texts nor small integers."
                )
            target[key] = value

    def _get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _memoize(self, _: object) -> None:
        self._put(len(self._memo))

    def _global(self, argument: str) -> None:
        self._stack.append(self._name(*argument.split(" ", 1)))

    def _stack_global(self, _: object) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._stack.append(self._name(module, name))

    def _name(self, module: str, name: str) -> Name:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise TypeError
        if len(module) + len(name) > LONGEST_NAME:
            raise ConversionRefused(f"data.pkl holds a name of more than {LONGEST_NAME} characters.")
        imported = Name("builtins" if module == "__builtin__" else module, name)
        self.names[str(imported)] = None
        return imported

    def _persistent(self, _: object) -> None:
        self._stack.append(rebuilding.storage(self._stack.pop()))

    def _reduce(self, _: object) -> None:
        args, callee = self._stack.pop(), self._stack.pop()
        self._call(callee, args)

    def _new(self, _: object) -> None:
        args, kind = self._stack.pop(), self._stack.pop()
        self._make(kind, args)

    def _new_with_keywords(self, _: object) -> None:
        keywords, args, kind = self._stack.pop(), self._stack.pop(), self._stack.pop()
        self._make(kind, args if keywords == {} else (args, keywords))

    def _instance(self, argument: str) -> None:
        args = self._to_mark()
        self._called(self._name(*argument.split(" ", 1)), tuple(args))

    def _object(self, _: object) -> None:
        kind, *args = self._to_mark()
        self._called(kind, tuple(args))

    def _make(self, kind: object, args: object) -> None:
        """A class whose objects get their attributes later is recorded; any other making of objects is a call."""
        if isinstance(kind, Name) and args == ():
            self._stack.append(Record(kind))
        else:
            self._called(kind, args)

    def _call(self, callee: object, args: object) -> None:
        if not isinstance(args, tuple) or not isinstance(callee, Name):
            self._called(callee, args)
            return
        try:
            self._stack.append(rebuilding.call(callee, args))
        except LookupError:
            self._called(callee, args)

    def _called(self, callee: object, args: object) -> None:
        """Note a call that will not be made, and go on with its record, to find all others."""
        if isinstance(callee, Record):
            callee = callee.kind
        if not isinstance(callee, Name):
            raise TypeError
        self._calls[str(callee)] = None
        self._stack.append(Record(callee, args))

    def _build(self, _: object) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if type(target) is dict:  # the versions of modules that a state dict carries
            return
        if type(target) is not Record or target.state is not None:
            raise TypeError
        target.state = state


_CONSTANTS: dict[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
}
_STEPS: dict[str, Callable[[InertUnpickler, Any], None]] = {
    "PROTO": InertUnpickler._nothing,
    "FRAME": InertUnpickler._nothing,
    "STOP": InertUnpickler._nothing,
    "MARK": InertUnpickler._mark,
    "POP": InertUnpickler._pop,
    "TUPLE": InertUnpickler._tuple,
    "TUPLE1": lambda self, _: self._tuple_of(1),
    "TUPLE2": lambda self, _: self._tuple_of(2),
    "TUPLE3": lambda self, _: self._tuple_of(3),
    "FROZENSET": InertUnpickler._tuple,
    "APPEND": InertUnpickler._append,
    "APPENDS": InertUnpickler._appends,
    "ADDITEMS": InertUnpickler._appends,
    "SETITEM": InertUnpickler._set_item,
    "SETITEMS": InertUnpickler._set_items,
    "BINGET": InertUnpickler._get,
    "LONG_BINGET": InertUnpickler._get,
    "BINPUT": InertUnpickler._put,
    "LONG_BINPUT": InertUnpickler._put,
    "MEMOIZE": InertUnpickler._memoize,
    "GLOBAL": InertUnpickler._global,
    "STACK_GLOBAL": InertUnpickler._stack_global,
    "BINPERSID": InertUnpickler._persistent,
    "REDUCE": InertUnpickler._reduce,
    "NEWOBJ": InertUnpickler._new,
    "NEWOBJ_EX": InertUnpickler._new_with_keywords,
    "INST": InertUnpickler._instance,
    "OBJ": InertUnpickler._object,
    "BUILD": InertUnpickler._build,
}
