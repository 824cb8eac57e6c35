"""Keys and values of what was computed before: one row per request, all of one fixed length."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from deployments.fish_speech.language_model.transformer import LayerSize, rotary_table

TRIED_ROWS = 4
LENGTH_MULTIPLE = 64  # keeps every row on a whole cache line, and with it the order of sums in it


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The first entries of a row, copied: (layers, kv heads, 2, length, head_dim)."""

    data: Tensor

    @property
    def length(self) -> int:
        """Number of entries."""
        return self.data.shape[3]


class KVCache:
    """``data`` is (layers, rows, kv heads, 2, length, head_dim): keys at 0 of the fourth dimension, values at 1.

    Entries are zeros at first and always finite. Nothing says which of them hold something: whoever reads says how
    far. ``length`` is rounded up to a multiple of 64.
    """

    def __init__(
        self,
        layers: int,
        rows: int,
        length: int,
        size: LayerSize,
        rope_base: float,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        self.rows = rows
        self.length = -(-length // LENGTH_MULTIPLE) * LENGTH_MULTIPLE
        shape = (layers, rows, size.n_local_heads, 2, self.length, size.head_dim)
        self.data = torch.zeros(shape, dtype=dtype, device=device)
        self.rotary = rotary_table(self.length, size.head_dim, rope_base, device)[:, None]
        self.row_numbers = torch.arange(rows, device=device)
        self.positions = torch.arange(self.length, device=device)
        self.scale = 1.0 / math.sqrt(size.head_dim)
        self._size = size

    @cached_property
    def lengths(self) -> list[int]:
        """Numbers of entries to look at, in rising order, such that a row's attention is the same bits with any
        of them that reaches its position.
        """
        every = list(range(LENGTH_MULTIPLE, self.length + 1, LENGTH_MULTIPLE))
        if self.data.device.type != "cpu" or self.data.dtype != torch.float32:
            return every
        return [length for length, agrees in zip(every, _agreeing(every, self._size), strict=True) if agrees]

    def agreeing(self, length: int) -> int:
        """The smallest of ``lengths`` that is at least so long."""
        return self.lengths[bisect_left(self.lengths, length)]

    @property
    def bytes(self) -> int:
        """Memory taken."""
        return self.data.numel() * self.data.element_size()

    def copy_row(self, source: int, target: int, length: int) -> None:
        """Copy the first ``length`` entries of a row over those of another."""
        self.data[:, target, :, :, :length].copy_(self.data[:, source, :, :, :length])

    def snapshot(self, row: int, length: int) -> Snapshot:
        """A copy of the first ``length`` entries of a row."""
        return Snapshot(self.data[:, row, :, :, :length].clone())

    def restore(self, row: int, snapshot: Snapshot) -> None:
        """Write a snapshot to the beginning of a row."""
        self.data[:, row, :, :, : snapshot.length].copy_(snapshot.data)


class StepEntries:
    """One new position in each of the first rows.

    The pass has one query for each of ``positions``, int64 (padded rows,); only the first ``rows`` of them write.
    Everybody sees the first ``length`` entries up to their own position; bits depend on ``length`` unless it is
    one of the cache's ``lengths``.
    """

    def __init__(self, cache: KVCache, positions: Tensor, rows: int, length: int) -> None:
        self.rotary = cache.rotary[positions]
        self._queries, self._rows, self._scale = positions.shape[0], rows, cache.scale
        self._where = (cache.row_numbers[:rows], slice(None), slice(None), positions[:rows])
        self._layers = cache.data.unbind()
        self._keys, self._values = _seen(cache.data[:, : self._queries, :, :, :length])
        kv_heads = cache.data.shape[2]
        hidden = cache.positions[:length] > positions[:, None]
        mask = torch.zeros(hidden.shape, dtype=cache.data.dtype, device=hidden.device).masked_fill_(
            hidden, -math.inf
        )
        self._mask = mask[:, None].expand(-1, kv_heads, -1).reshape(self._queries * kv_heads, 1, length)

    def attend(self, layer: int, query: Tensor, key_value: Tensor) -> Tensor:
        """Store (n, 2, kv heads, head_dim), look up (n, heads, head_dim), return (n, dim)."""
        self._layers[layer][self._where] = key_value[: self._rows].transpose(1, 2)
        keys = self._keys[layer]
        grouped = query.reshape(keys.shape[0], -1, query.shape[-1])
        scores = torch.baddbmm(self._mask, grouped, keys, alpha=self._scale)
        return torch.bmm(scores.softmax(-1), self._values[layer]).view(self._queries, -1)


class PrefillEntries:
    """Consecutive positions of one row, each seeing what is before it."""

    def __init__(self, cache: KVCache, row: int, offset: int, count: int) -> None:
        self.rotary = cache.rotary[offset : offset + count]
        self._entries = cache.data[:, row, :, :, : offset + count]
        self._offset = offset
        positions = cache.positions[: offset + count]
        self._visible = positions <= positions[offset:, None]

    def attend(self, layer: int, query: Tensor, key_value: Tensor) -> Tensor:
        """Store (n, 2, kv heads, head_dim), look up (n, heads, head_dim), return (n, dim)."""
        entries = self._entries[layer]
        entries[:, :, self._offset :] = key_value.permute(2, 1, 0, 3)
        count, heads, head_dim = query.shape
        kv_heads = entries.shape[0]
        grouped = query.view(count, kv_heads, -1, head_dim).permute(1, 2, 0, 3).flatten(1, 2)
        mixed = functional.scaled_dot_product_attention(
            grouped[None], entries[None, :, 0], entries[None, :, 1], self._visible.repeat(heads // kv_heads, 1)
        )
        return mixed.view(heads, count, head_dim).transpose(0, 1).flatten(1)


class ShortEntries:
    """The same new position in every row of a short cache, which sees all positions up to it."""

    def __init__(self, cache: KVCache, rows: int, position: int) -> None:
        self.rotary = cache.rotary[position : position + 1]
        self._new = cache.data[:, :rows, :, :, position].unbind()
        self._keys, self._values = _seen(cache.data[:, :rows, :, :, : position + 1])
        self._scale = cache.scale

    def attend(self, layer: int, query: Tensor, key_value: Tensor) -> Tensor:
        """Store (n, 2, kv heads, head_dim), look up (n, heads, head_dim), return (n, dim)."""
        self._new[layer].copy_(key_value.transpose(1, 2))
        keys = self._keys[layer]
        grouped = query.reshape(keys.shape[0], -1, query.shape[-1])
        scores = torch.bmm(grouped, keys).mul_(self._scale)
        return torch.bmm(scores.softmax(-1), self._values[layer]).view(query.shape[0], -1)


def _agreeing(lengths: Sequence[int], size: LayerSize) -> list[bool]:
    """Which lengths give the last one's attention to a row that sees all that is within the length.

    A matrix product sums its terms in blocks, which it makes of another size if there are few terms.
    """
    group = size.n_head // size.n_local_heads
    narrow = LayerSize(group * size.head_dim, group, 1, 1, 1.0)
    cache = KVCache(1, TRIED_ROWS, lengths[-1], narrow, 1.0)
    generator = torch.Generator().manual_seed(0)
    cache.data.normal_(generator=generator)
    query = torch.randn(TRIED_ROWS, group, size.head_dim, generator=generator)
    new = torch.randn(TRIED_ROWS, 2, 1, size.head_dim, generator=generator)

    def attention(position: int, length: int) -> Tensor:
        positions = torch.full((TRIED_ROWS,), position)
        return StepEntries(cache, positions, TRIED_ROWS, length).attend(0, query, new)

    return [torch.equal(attention(length - 1, length), attention(length - 1, lengths[-1])) for length in lengths]


def _seen(data: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Views of entries (layers, rows, kv heads, 2, length, head_dim): of each layer the keys, (rows * kv heads,
    head_dim, length), and the values, (rows * kv heads, length, head_dim).
    """
    keys, values = data.flatten(1, 2).unbind(2)
    return keys.transpose(2, 3).unbind(), values.unbind()
