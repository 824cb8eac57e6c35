"""Banks of synthetic utterances: three to train on, and five to test with, whose longer texts are held out."""

import multiprocessing
import random
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from . import festival, flite
from .espeak import ACCENTS, HELD_OUT_VARIANTS, VARIANTS, Espeak
from .speech import Utterance, load_bank, save_bank
from .synthesis import Take
from .vocabulary import sentence

Engine = Literal["espeak", "espeak-voices", "espeak-speeds", "flite", "flite-plain", "flite-voice", "festival"]
MIN_SECONDS, MAX_SECONDS = 0.15, 9.0
#: Texts of this many words or more are held out; shorter ones are too few to be kept apart.
HELD_OUT_WORDS = 3
FESTIVAL_TEXTS = 50


@dataclass(frozen=True, slots=True)
class BankPlan:
    """How one bank is made, and how often it counts when windows are drawn (0: for tests)."""

    name: str
    engine: Engine
    count: int
    seed: int
    weight: int = 0

    @property
    def file(self) -> str:
        """Name of the file in the work folder."""
        return f"{self.name}.npz"


TEST_BANKS = (
    BankPlan("test-sentences", "espeak", 300, 901),
    BankPlan("test-sentences-flite", "flite-plain", 300, 905),
    BankPlan("test-voices", "espeak-voices", 300, 902),
    BankPlan("test-voice-rms", "flite-voice", 300, 904),
    BankPlan("test-speeds", "espeak-speeds", 300, 903),
)
TRAINING_BANKS = (
    BankPlan("train-espeak", "espeak", 20_000, 21, 1),
    BankPlan("train-flite", "flite", 9_000, 22, 2),
    BankPlan("train-festival", "festival", 4_000, 23, 1),
)


def _spoken(engine: Engine, rng: random.Random, folder: Path) -> Iterator[tuple[str, Take | None, str]]:
    """Text, speech and voice, without end."""
    espeak = Espeak() if engine.startswith("espeak") else None
    while True:
        text, accent = sentence(rng), rng.choice(ACCENTS)
        if engine == "festival":
            texts = [sentence(rng) for _ in range(FESTIVAL_TEXTS)]
            yield from festival.say_all(texts, rng.choice(festival.VOICES), rng, folder)
            continue
        if espeak:
            if engine == "espeak-voices":
                voice = f"{accent}+{rng.choice(HELD_OUT_VARIANTS)}"
                take = espeak.say(
                    text, voice, rng.randint(130, 190), rng.randint(35, 65), 50, rng.choice([0, 0, 2])
                )
            else:
                voice = f"{accent}+{rng.choice(VARIANTS)}".rstrip("+")
                speed = rng.randint(115, 215) if engine == "espeak" else rng.choice([105, 230])
                pitch, spread, gap = rng.randint(30, 70), rng.randint(25, 75), rng.choice([0, 0, 0, 1, 3, 6])
                take = espeak.say(text, voice, speed, pitch, spread, gap)
        elif engine == "flite":
            take, voice = flite.say_as_someone(text, rng, folder)
        elif engine == "flite-plain":
            voice = rng.choice(flite.VOICES)
            extra = {"int_f0_target_mean": float(rng.randint(85, 135))} if voice.startswith("kal") else {}
            take = flite.say(text, voice, folder, duration_stretch=rng.uniform(0.8, 1.3), **extra)
        else:
            voice = flite.HELD_OUT_VOICE
            take = flite.say(text, voice, folder, duration_stretch=rng.uniform(0.9, 1.2))
        yield text, take, voice


def make_bank(plan: BankPlan, held_out: set[str]) -> list[Utterance]:
    """Synthesise; texts of three or more words that are in ``held_out`` are left out."""
    bank: list[Utterance] = []
    with tempfile.TemporaryDirectory() as folder:
        for text, take, voice in _spoken(plan.engine, random.Random(plan.seed), Path(folder)):
            if take is None or (text in held_out and len(text.split()) >= HELD_OUT_WORDS):
                continue
            peak = np.abs(take.audio).max()
            utterance = Utterance((take.audio / peak * 0.9 * 32767).astype(np.int16), text, take.times, voice)
            if MIN_SECONDS < utterance.seconds < MAX_SECONDS:
                bank.append(utterance)
            if len(bank) == plan.count:
                return bank
    raise AssertionError("the engines speak without end")


def _make_file(plan: BankPlan, path: Path, held_out: set[str]) -> None:
    if not path.exists():
        save_bank(path, make_bank(plan, held_out))


def make_banks(work: Path, shipped: set[str], scale: float = 1.0, processes: int = 2) -> None:
    """Make the banks that ``work`` lacks, tests first, each in a process of its own (espeak-ng keeps state).

    ``shipped``: texts of the WAVs in the repository, kept out of every bank. ``scale`` shrinks the banks, for
    trying things out.
    """
    held_out = set(shipped)
    for plans in (TEST_BANKS, TRAINING_BANKS):
        sized = [replace(plan, count=max(30, round(plan.count * scale))) for plan in plans]
        files = [work / plan.file for plan in plans]
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, spawn, max_tasks_per_child=1) as pool:
            list(pool.map(_make_file, sized, files, [held_out] * len(files)))
        for plan, path in zip(sized, files, strict=True):
            bank = load_bank(path)
            held_out |= {utterance.text for utterance in bank}
            hours = sum(utterance.seconds for utterance in bank) / 3600
            timed = sum(utterance.times is not None for utterance in bank) / len(bank)
            print(f"{plan.name}: {len(bank)} utterances, {hours:.2f} h, word times for {timed:.0%}", flush=True)
