"""Training on CPU cores: one schedule by wall clock, windows made on the fly, averaged weights kept."""

import math
import os
import queue
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.multiprocessing as mp
from torch import nn

from .augment import Augmenter
from .checkpoint import load_checkpoint, load_exported, save_checkpoint
from .losses import Losses, compute_losses, ctc_loss
from .network import WIDTH, build_network, encode
from .speech import load_bank
from .targets import Batch, ExampleMaker
from .tokens import Tokens
from .vocabulary import WORDS
from .windows import Composer

PRINT_EVERY, SAVE_EVERY = 20, 200
WARM_UP_STEPS = 150
#: A start from an exported model, which has no CTC layer, first trains that layer alone.
SETTLE_STEPS, SETTLE_RATE, SETTLE_PART = 250, 1e-2, 0.1


@dataclass(frozen=True, slots=True)
class Settings:
    """One run. ``banks``: files and how often each counts. ``init``: a checkpoint or an exported model."""

    work: Path
    banks: tuple[tuple[str, int], ...]
    minutes: float = 60.0
    init: Path | None = None
    rate: float = 1e-3
    #: Part of the time at the full learning rate; then cosine down to 2 %.
    flat: float = 0.3
    audio_seconds: float = 80.0
    seed: int = 1

    @property
    def checkpoint(self) -> Path:
        """Where the averaged weights go."""
        return self.work / "model.pt"


def feed(batches: Any, settings: Settings) -> None:
    """Worker process: batches for ever. A fresh start has a curriculum, from single utterances to full windows."""
    os.nice(1)
    torch.set_num_threads(1)
    rng = random.Random(settings.seed)
    bank = [u for name, count in settings.banks for u in load_bank(settings.work / name) * count]
    tokens = Tokens(settings.work / "tokenizer.json")
    maker = ExampleMaker(Composer(bank, rng), Augmenter(rng, settings.seed), tokens, rng)
    start = time.monotonic()
    while True:
        done = 1.0 if settings.init else (time.monotonic() - start) / (settings.minutes * 60)
        if done <= 0.12:
            lengths, single = [2, 2, 3], 1.0
        elif done <= 0.25:
            lengths, single = [2, 3, 4, 5], 0.5
        else:
            lengths, single = [2, 3, 5, 8, 8, 10, 10, 10, 10, 10], 0.15
        batches.put(maker.batch(rng.choice(lengths), rng.random() < single, settings.audio_seconds, done > 0.25))


class Trainer:
    """Network, CTC layer and optimiser, with the moving average of the weights."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        torch.manual_seed(settings.seed)
        self.tokens = Tokens(settings.work / "tokenizer.json")
        self.network = build_network(self.tokens)
        self.ctc = nn.Linear(WIDTH, len(WORDS) + 1)
        self.settle_steps = 0
        if settings.init and settings.init.is_dir():
            load_exported(settings.init, self.network, self.tokens)
            self.settle_steps = SETTLE_STEPS
        elif settings.init:
            load_checkpoint(settings.init, self.network, self.ctc)
        self.parameters = [p for m in (self.network, self.ctc) for p in m.parameters() if p.requires_grad]
        self.average = [p.detach().clone() for p in self.parameters]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=settings.rate, betas=(0.9, 0.98), weight_decay=0.01)
        self.step_number = 0

    def settle(self, batches: Iterator[Batch]) -> None:
        """Fit the CTC layer to the encoder as it is, so that its first gradients do no harm."""
        optimizer, begun = torch.optim.Adam(self.ctc.parameters(), lr=SETTLE_RATE), time.monotonic()
        for number, batch in zip(range(self.settle_steps), batches, strict=False):
            loss = ctc_loss(self.ctc, encode(self.network, batch.mel), batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if number % (5 * PRINT_EVERY) == 0:
                print(f"settling, step {number}: ctc {loss.item():.2f}", flush=True)
            if time.monotonic() - begun > SETTLE_PART * self.settings.minutes * 60:
                break
        for parameter, mean in zip(self.parameters, self.average, strict=True):
            mean.copy_(parameter.detach())

    def step(self, batch: Batch, progress: float) -> Losses:
        """One update; ``progress``: the part of the time that has passed (0-1)."""
        s, fresh = self.settings, self.settings.init is None
        losses = compute_losses(self.network, self.ctc, batch, self.tokens)
        ctc_weight = max(0.15, 0.6 * (1 - progress)) if fresh else 0.3
        guide_weight = 0.4 if fresh and progress < 0.6 else 0.2
        self.optimizer.zero_grad()
        (losses.text + ctc_weight * losses.ctc + guide_weight * losses.guide).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        fade = 1.0
        if progress > s.flat:
            fade = 0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, (progress - s.flat) / (1 - s.flat))))
        self.optimizer.param_groups[0]["lr"] = s.rate * min(1.0, (self.step_number + 1) / WARM_UP_STEPS) * fade
        self.optimizer.step()
        self.step_number += 1
        with torch.no_grad():
            torch._foreach_lerp_(
                self.average, self.parameters, 1 - min(0.998, self.step_number / (self.step_number + 20))
            )
        return losses

    @torch.no_grad()
    def save(self) -> None:
        """Write the averaged weights."""
        current = [p.detach().clone() for p in self.parameters]
        torch._foreach_copy_(self.parameters, self.average)
        save_checkpoint(self.settings.checkpoint, self.network, self.ctc)
        torch._foreach_copy_(self.parameters, current)


def _next_batch(batches: Any, worker: Any) -> Batch:
    while True:
        try:
            batch: Batch = batches.get(timeout=5)
        except queue.Empty:
            if not worker.is_alive():
                raise RuntimeError("the process that makes training windows has died") from None
        else:
            return batch


def train(settings: Settings) -> Path:
    """Train until the time is over, on one thread and one more process for the windows; returns the checkpoint."""
    torch.set_num_threads(1)
    spawn = mp.get_context("spawn")
    mp.set_sharing_strategy("file_system")  # type: ignore[no-untyped-call]
    trainer = Trainer(settings)
    batches: Any = spawn.Queue(12)
    worker = spawn.Process(target=feed, args=(batches, settings), daemon=True)
    worker.start()
    source = iter(lambda: _next_batch(batches, worker), None)
    trainer.settle(source)
    batch = next(source)
    start, progress, audio_s = time.monotonic(), 0.0, 0.0
    sums, counted = np.zeros(5), 0
    while progress < 1:
        progress = (time.monotonic() - start) / (settings.minutes * 60)
        losses = trainer.step(batch, progress)
        audio_s += batch.mel.shape[0] * batch.mel.shape[2] / 100
        sums += [
            losses.text.item(),
            losses.ctc.item(),
            losses.guide.item(),
            losses.words_right,
            losses.stamps_right,
        ]
        counted += 1
        if trainer.step_number % PRINT_EVERY == 0:
            text, ctc, guide, words, stamps = sums / counted
            minutes = (time.monotonic() - start) / 60
            rate = trainer.optimizer.param_groups[0]["lr"]
            print(
                f"{minutes:.1f} min, step {trainer.step_number}: text {text:.3f} ctc {ctc:.3f} guide {guide:.3f} "
                f"words {words:.3f} stamps {stamps:.3f} rate {rate:.1e} audio {audio_s / 60 / minutes:.0f} s/s",
                flush=True,
            )
            sums, counted = np.zeros(5), 0
        if trainer.step_number % SAVE_EVERY == 0:
            trainer.save()
        batch = next(source)
    trainer.save()
    print(f"{trainer.step_number} steps, {audio_s / 3600:.1f} h of windows", flush=True)
    worker.terminate()
    worker.join()
    return settings.checkpoint
