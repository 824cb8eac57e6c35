"""flite: the program prints where its phones end, which gives word times."""

import random
from functools import cache
from pathlib import Path

from .speech import Span
from .synthesis import Take, read_wav, run, shift_speaker, trim

VOICES = ["slt", "slt", "awb", "awb", "kal16", "kal"]
HELD_OUT_VOICE = "rms"
_PAUSE = "pau"


@cache
def _phone_count(word: str) -> int:
    return sum(phone != _PAUSE for phone in run("flite", "-ps", "-t", word, "none").split())


def say(text: str, voice: str, folder: Path, **settings: float) -> Take | None:
    """``settings``: flite features, for example ``duration_stretch``."""
    features = [part for name, value in settings.items() for part in ("--setf", f"{name}={value:.3f}")]
    wav = folder / "flite.wav"
    printed = run("flite", "-voice", voice, *features, "-psdur", "-t", text, "-o", str(wav))
    phones: list[Span] = []
    before = 0.0
    for item in printed.split():
        name, _, end = item.rpartition(":")
        if name != _PAUSE:
            phones.append((before, float(end)))
        before = float(end)
    times: list[Span] = []
    used = 0
    for word in text.split():
        part = phones[used : used + _phone_count(word)]
        times.append((part[0][0], part[-1][1]) if part else (0.0, 0.0))
        used += _phone_count(word)
    return trim(*read_wav(wav), times if used == len(phones) else None)


def say_as_someone(text: str, rng: random.Random, folder: Path) -> tuple[Take | None, str]:
    """A training voice, two times of three with another pitch and vocal tract; and the voice's name."""
    voice, factor = rng.choice(VOICES), 1.0
    settings = {"duration_stretch": rng.uniform(0.8, 1.3)}
    diphones = voice.startswith("kal")
    if rng.random() < 0.67:
        factor = rng.uniform(0.82, 1.05) if voice == "slt" else rng.uniform(0.88, 1.18)
        settings["duration_stretch"] *= factor
        if not diphones:
            settings["f0_shift"] = rng.uniform(0.5, 1.15) if voice == "slt" else rng.uniform(0.7, 1.5)
    if diphones:
        settings["int_f0_target_mean"] = rng.uniform(80, 150)
    return shift_speaker(say(text, voice, folder, **settings), factor), f"{voice}*{factor:.2f}"
