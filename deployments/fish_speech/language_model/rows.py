"""The rows of a batch: one KV cache for all live segments, and a frame for each of them at every step.

What a segment says depends on nothing but itself. Its prompt is computed alone, always in the same pieces; random
draws come from its seed and the number of the frame; and in float32 on a CPU the network's results for a row are
the same bits whatever is computed beside it (see ``transformer``).
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from deployments.fish_speech.language_model.batcher import Columns, SpeechSegment
from deployments.fish_speech.language_model.cuda_graphs import StepGraphs
from deployments.fish_speech.language_model.dual_ar import DualAR
from deployments.fish_speech.language_model.frame_rules import FrameRules
from deployments.fish_speech.language_model.frames import FrameSampler, FrameState
from deployments.fish_speech.language_model.kv_cache import Snapshot

PIECE = 512  # columns of a prompt that are computed between two steps
SHORTEST = 256  # of the lengths within which a step looks back; each next one is twice as long


class FrameRows:
    """``FrameEngine`` of a network, for ``slots`` segments of at most ``context`` columns, speech included.

    ``most_openings`` is how many openings keep what was computed for them. Everything blocks and belongs to one
    thread at a time.
    """

    def __init__(
        self,
        network: DualAR,
        rules: FrameRules,
        *,
        slots: int,
        context: int,
        most_openings: int = 0,
        threads: int = 1,
    ) -> None:
        self.slots, self.context = slots, context
        self.steps = 0
        self._network, self._rules, self._threads = network, rules, threads
        device = network.device
        rows = network.padded(slots)
        self._stage = rows  # the row, behind all others, in which prompts are computed
        self._cache = network.new_cache(rows + 1, context)
        self._sampler = FrameSampler(network, rules, rows)
        self._state = FrameState.empty(rows, rules, device)
        self._first = FrameState.empty(1, rules, device)
        self._columns = torch.zeros(rows, 1 + rules.num_codebooks, dtype=torch.int64, device=device)
        self._positions = torch.zeros(rows, dtype=torch.int64, device=device)
        self._ended = torch.zeros(rows, dtype=torch.bool, device=device)
        self._filled = [0] * rows  # as ``_positions``, for the host
        self._openings: OrderedDict[bytes, Snapshot] = OrderedDict()
        self._most_openings = most_openings
        self._pieces: deque[Tensor] = deque()
        self._lengths = doubled(SHORTEST, self._cache.length)
        self._batches = doubled(1, slots)
        self._run = StepGraphs(self._step, self._batches, self._lengths)

    @property
    def finite(self) -> bool:
        """Whether the last prompt made numbers of the network's hidden states."""
        return bool(self._hidden.isfinite().all())

    @torch.inference_mode()
    def record(self, on_progress: Callable[[float], None]) -> None:
        """Record the step of every batch size and length on a GPU."""
        self._run.record(on_progress)

    @torch.inference_mode()
    def stage(self, segment: SpeechSegment) -> None:
        """See ``FrameEngine``. An opening that was seen before is not computed again."""
        torch.set_num_threads(self._threads)  # of the calling thread only, since OpenMP counts so
        self._segment, self._offset = segment, 0
        self._opening = sha256(segment.opening.tobytes()).digest() if segment.opening.shape[1] else b""
        kept = self._openings.get(self._opening)
        if kept is not None:
            self._openings.move_to_end(self._opening)
            self._cache.restore(self._stage, kept)
            self._offset = kept.length
        new = segment.rest if kept is not None else np.concatenate([segment.opening, segment.rest], axis=1)
        border = 0 if kept is not None else segment.opening.shape[1]
        columns = torch.from_numpy(new.astype(np.int64)).to(self._network.device)
        borders = [0, *range(PIECE, border, PIECE), border, *range(border + PIECE, columns.shape[1], PIECE)]
        self._pieces = deque(
            columns[:, begin:end]  # pieces end where the opening does
            for begin, end in pairwise([*borders, columns.shape[1]])
            if begin < end
        )

    @torch.inference_mode()
    def prefill(self) -> bool:
        """See ``FrameEngine``."""
        piece = self._pieces.popleft()
        self._hidden = self._network.prefill(piece, self._cache, self._stage, self._offset)
        self._offset += piece.shape[1]
        if self._offset == self._segment.opening.shape[1] and self._most_openings:
            self._openings[self._opening] = self._cache.snapshot(self._stage, self._offset)
            while len(self._openings) > self._most_openings:
                self._openings.popitem(last=False)
        return not self._pieces

    @torch.inference_mode()
    def place(self, row: int) -> tuple[Columns, bool]:
        """See ``FrameEngine``."""
        segment, length = self._segment, self._offset
        draws = partial(FrameState.start, temperature=segment.temperature, top_p=segment.top_p, seed=segment.seed)
        draws(self._first, 0, penalty=1.0, frame=segment.first_frame)
        column = self._sampler(self._hidden[None], self._first)
        draws(self._state, row, penalty=segment.repetition_penalty, frame=segment.first_frame + 1)
        self._cache.copy_row(self._stage, row, length)
        self._columns[row].copy_(column[0])
        self._positions[row].fill_(length)
        self._filled[row] = length
        return _on_host(column)[0], bool(self._rules.ended(column)[0])

    @torch.inference_mode()
    def step(self, rows: int) -> tuple[Columns, Sequence[bool]]:
        """See ``FrameEngine``."""
        self.steps += 1
        batch = next(size for size in self._batches if size >= rows) if self._columns.is_cuda else rows
        needed = 1 + max(self._filled[:rows])
        self._run(batch, next(length for length in self._lengths if length >= needed))
        for row in range(rows):
            self._filled[row] += 1
        drawn = _on_host(torch.cat((self._columns[:rows], self._ended[:rows, None]), 1))
        return drawn[:, :-1], drawn[:, -1].astype(bool).tolist()

    @torch.inference_mode()
    def move(self, source: int, target: int) -> None:
        """See ``FrameEngine``."""
        self._cache.copy_row(source, target, self._filled[source])
        self._state.copy_row(source, target)
        for tensor in (self._columns, self._positions):
            tensor[target].copy_(tensor[source])
        self._filled[target] = self._filled[source]

    def _step(self, batch: int, length: int) -> None:
        """One frame for the first rows, all of it on the device: reads and writes the same tensors every time.

        Rows that nobody has do no harm: what they write is written anew before somebody gets them.
        """
        columns, positions, state = self._columns[:batch], self._positions[:batch], self._state.first(batch)
        hidden = self._network.step(columns, self._cache, positions, length)
        drawn = self._sampler(hidden, state)
        state.push(drawn)
        columns.copy_(drawn)
        self._ended[:batch].copy_(self._rules.ended(drawn))
        positions.add_(1).clamp_(max=self._cache.length - 1)


def doubled(first: int, last: int) -> list[int]:
    """``first`` doubled until it reaches ``last``, which ends the list."""
    numbers = [min(first, last)]
    while numbers[-1] < last:
        numbers.append(min(2 * numbers[-1], last))
    return numbers


def _on_host(tensor: Tensor) -> Columns:
    array: Columns = tensor.to("cpu", torch.int32).numpy()
    return array
