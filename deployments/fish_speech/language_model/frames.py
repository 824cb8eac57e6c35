"""Drawing a frame: hidden states of a batch to one column each. Fixed shapes, no wait: it may be recorded."""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from deployments.fish_speech.language_model.dual_ar import DualAR
from deployments.fish_speech.language_model.frame_rules import FrameRules, token_positions
from deployments.fish_speech.language_model.noise import FrameNoise
from deployments.fish_speech.language_model.sampling import draw, penalised

WINDOW = 16  # frames whose repetition is penalised


@dataclass(frozen=True, slots=True, eq=False)
class FrameState:
    """What the next frame of each row is drawn with.

    ``temperature``, ``top_p`` and ``penalty`` are float32 (rows,); ``seed`` and ``frame`` int64 (rows,): the
    number of the next frame. ``window`` has the last 16 frames, int64 (rows, 16, 1 + codebooks). As in the
    original, it starts as zeros, so that id 0 is penalised until it is full; and a prompt's first frame is drawn
    with a penalty of 1 and never enters it.
    """

    temperature: Tensor
    top_p: Tensor
    penalty: Tensor
    seed: Tensor
    frame: Tensor
    window: Tensor

    @classmethod
    def empty(cls, rows: int, rules: FrameRules, device: torch.device | None = None) -> Self:
        """Rows that may be drawn for, and mean nothing."""
        temperature, top_p, penalty = torch.ones(3, rows, device=device)
        seed, frame = torch.zeros(2, rows, dtype=torch.int64, device=device)
        window = torch.zeros(rows, WINDOW, 1 + rules.num_codebooks, dtype=torch.int64, device=device)
        return cls(temperature, top_p, penalty, seed, frame, window)

    def first(self, rows: int) -> Self:
        """The first rows; writing to them writes to these."""
        temperature, top_p, penalty, seed, frame, window = (tensor[:rows] for tensor in self._tensors())
        return type(self)(temperature, top_p, penalty, seed, frame, window)

    def start(self, row: int, *, temperature: float, top_p: float, penalty: float, seed: int, frame: int) -> None:
        """A segment takes a row, to draw frame number ``frame`` next."""
        values = (temperature, top_p, penalty, seed, frame, 0)
        for tensor, value in zip(self._tensors(), values, strict=True):
            tensor[row].fill_(value)

    def copy_row(self, source: int, target: int) -> None:
        """A segment changes its row."""
        for tensor in self._tensors():
            tensor[target].copy_(tensor[source])

    def push(self, columns: Tensor) -> None:
        """Take in the frames (rows, 1 + codebooks) that were drawn, of all rows."""
        self.window.copy_(torch.cat((self.window[:, 1:], columns[:, None]), 1))
        self.frame.add_(1)

    def _tensors(self) -> tuple[Tensor, ...]:
        return self.temperature, self.top_p, self.penalty, self.seed, self.frame, self.window


class FrameSampler:
    """Draws frames from a network's hidden states, for up to ``rows`` rows at a time."""

    def __init__(self, network: DualAR, rules: FrameRules, rows: int) -> None:
        self.rules = rules
        self._network = network
        self._cache = network.new_fast_cache(network.padded(rows))
        self._noise = FrameNoise(rules.widths, network.device)
        self._head = network.token_head()
        self._positions: Tensor | None = None
        if rules.token_ids is not None:
            self._head = network.token_head(torch.tensor(rules.token_ids, device=network.device))
            self._positions = token_positions(rules, network.device)

    def __call__(self, hidden: Tensor, state: FrameState, noise: Tensor | None = None) -> Tensor:
        """Columns (B, 1 + codebooks), int64, after hidden states (B, dim). ``state`` has B rows and is only read.

        ``noise``, float32 (B, sum of ``rules.widths``), stands for the draws from Exp(1) that otherwise follow
        from seed and number of the frame.
        """
        rules, network, rows = self.rules, self._network, hidden.shape[0]
        noise = self._noise(state.seed, state.frame) if noise is None else noise
        token_noise, *code_noise = torch.split(noise, list(rules.widths), 1)
        hidden = network.pad(hidden)
        token = self._token(hidden, state, token_noise)
        drawn = [token]
        inputs = network.fast_input(hidden)
        if rules.first_code_is_token:
            network.fast_hidden(inputs, self._cache, 0)  # for its keys and values
            drawn.append((token - rules.semantic.start).clamp(0, rules.codebook_size - 1))
            inputs = network.fast_embeddings(network.pad(drawn[-1]))
        for codebook, noise in zip(rules.drawn_codebooks, code_noise, strict=True):
            logits = network.fast_step(inputs, self._cache, codebook)[:rows].float()
            logits = penalised(logits, state.window[:, :, 1 + codebook], state.penalty)
            drawn.append(draw(logits, state.temperature, state.top_p, noise))
            if codebook < rules.num_codebooks - 1:
                inputs = network.fast_embeddings(network.pad(drawn[-1]))
        return torch.stack(drawn, 1)

    def _token(self, hidden: Tensor, state: FrameState, noise: Tensor) -> Tensor:
        rules, rows = self.rules, state.seed.shape[0]
        logits = self._network.token_logits(hidden, self._head)[:rows].float()
        if rules.token_penalised:
            logits = self._penalised(logits, state)
        drawn = draw(logits, state.temperature, state.top_p, noise)
        if self._positions is None:
            return drawn
        end = len(rules.semantic)
        token = drawn + rules.semantic.start
        for number, token_id in enumerate(rules.end_ids):
            token = token.masked_fill(drawn == end + number, token_id)
        return token

    def _penalised(self, logits: Tensor, state: FrameState) -> Tensor:
        seen = state.window[:, :, 0]
        if self._positions is None:
            return penalised(logits, seen, state.penalty)
        width = logits.shape[1]  # one more takes the penalty of what is not among them
        padded = functional.pad(logits, (0, 1), value=-math.inf)
        return penalised(padded, self._positions[seen], state.penalty)[:, :width]
