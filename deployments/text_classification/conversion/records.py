"""What the pickle's values become: plain data, and records of what it wanted to import and to call."""

from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Name:
    """A global that the pickle names. It is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, slots=True)
class Record:
    """An object that the pickle wanted to make: of which class, from which arguments, with which attributes."""

    kind: Name
    args: object = field(default=(), repr=False)
    state: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Storage:
    """A block of memory: the member ``data/<key>`` of the file, ``numel`` elements of one type."""

    key: str
    dtype: torch.dtype
    numel: int

    @property
    def bytes(self) -> int:
        """Its length in bytes."""
        return self.numel * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class View:
    """A tensor: a part of a storage. All numbers count elements and lie within the storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Its length in bytes, laid out without gaps."""
        return prod(self.shape) * self.storage.dtype.itemsize
