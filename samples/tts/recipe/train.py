"""Training of the language model on one core: one schedule by wall clock."""

import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .checkpoint import load_model, save_model
from .examples import batches, collate, make_example
from .losses import Losses, ReadOuts, compute_losses
from .network import SIZE, DualAR
from .utterances import Utterance

PRINT_EVERY, WARM_UP_STEPS = 100, 60
#: The part of past frames that is corrupted at most, and the part of frames that the fast transformer sees.
CORRUPT, FAST_PART = 0.5, 0.4


@dataclass(frozen=True, slots=True)
class Settings:
    """One run. ``init`` is a model folder to go on from; ``tokens`` counts the positions of a batch."""

    target: Path
    minutes: float = 60.0
    init: Path | None = None
    rate: float = 2e-3
    tokens: int = 2_400
    seed: int = 5


class Trainer:
    """Network, read-outs and optimiser."""

    def __init__(self, settings: Settings) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.network, self.reading = settings, DualAR(), ReadOuts(SIZE.dim)
        if settings.init:
            load_model(settings.init, self.network)
        self.parameters = [*self.network.parameters(), *self.reading.parameters()]
        matrices, vectors = (
            [p for p in self.parameters if (p.dim() > 1) == is_matrix] for is_matrix in (True, False)
        )
        groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, 0.95))
        self.steps = 0

    def step(self, losses: Losses, done: float) -> None:
        """One update when the part ``done`` of the time has passed; the help fades from 0.5 to 0.1."""
        self.steps += 1
        rate = self.settings.rate * min(1.0, self.steps / WARM_UP_STEPS)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
        self.optimizer.zero_grad()
        losses.total(0.1 + 0.4 * (1 - done)).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()


def train(bank: list[Utterance], check: list[Utterance], settings: Settings) -> None:
    """Train on ``bank``, print the losses on both, and write the weights every now and then and at the end."""
    torch.set_flush_denormal(True)
    trainer, rng, start = Trainer(settings), random.Random(settings.seed), time.monotonic()
    checked = collate([make_example([[utterance]], None) for utterance in check])
    recent: list[list[float]] = []

    def done() -> float:
        return min(1.0, (time.monotonic() - start) / 60 / settings.minutes)

    for batch in batches(bank, settings.tokens, rng, done):
        if done() >= 1:
            break
        losses = compute_losses(trainer.network, trainer.reading, batch, CORRUPT, FAST_PART)
        trainer.step(losses, done())
        recent.append(losses.values())
        if trainer.steps % PRINT_EVERY == 0:
            with torch.no_grad():
                unseen = compute_losses(trainer.network.eval(), trainer.reading, checked).values()
            trainer.network.train()
            print(
                f"model, step {trainer.steps}: {np.mean(recent, 0).round(3)}, unseen {np.round(unseen, 3)}",
                flush=True,
            )
            save_model(settings.target, trainer.network)
            recent.clear()
    save_model(settings.target, trainer.network)
