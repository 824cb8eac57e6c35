"""The WAVs that ship with the model: drawn from the test banks by seed, never by result."""

import json
import random
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .evaluate import long_file
from .recogniser import LongFile, Recogniser, edits, words_of
from .speech import RATE, Utterance, load_bank
from .vocabulary import NEW_WORDS

TRANSCRIPTS = "transcripts.json"
LEAD_S, TAIL_S = 0.3, 0.4
MIN_WORDS = 4


@dataclass(frozen=True, slots=True)
class FilePlan:
    """One WAV: utterances of some test banks in equal shares; ``group`` says so in words."""

    file: str
    group: str
    banks: tuple[str, ...]
    utterances: int = 1
    words: Literal["any", "new"] = "any"


_SENTENCE = "held-out sentence, espeak-ng training voice"
_FLITE = "held-out sentence, flite training voice"
PLANS = (
    *(FilePlan(f"utt0{n}.wav", _SENTENCE, ("test-sentences",)) for n in (1, 2, 3)),
    *(FilePlan(f"utt0{n}.wav", _FLITE, ("test-sentences-flite",)) for n in (4, 5)),
    *(FilePlan(f"utt0{n}.wav", "held-out espeak-ng voice", ("test-voices",)) for n in (6, 7)),
    *(FilePlan(f"utt0{n}.wav", "held-out flite voice", ("test-voice-rms",)) for n in (8, 9)),
    FilePlan("utt10_long.wav", "training voices", ("test-sentences", "test-sentences-flite"), 14),
    FilePlan("utt11_long.wav", "held-out voices", ("test-voices", "test-voice-rms"), 14),
    FilePlan("utt12_long.wav", "training voices", ("test-sentences", "test-sentences-flite"), 26),
    FilePlan("utt13.wav", _SENTENCE, ("test-sentences",), words="new"),
    FilePlan("utt14.wav", _FLITE, ("test-sentences-flite",), words="new"),
    FilePlan("utt15.wav", "held-out espeak-ng voice", ("test-voices",), words="new"),
)


def write_wav(path: Path, audio: NDArray[np.float32]) -> None:
    """16 kHz, mono, 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(audio, -1, 1) * 32767).astype("<i2").tobytes())


def read_wav(path: Path) -> NDArray[np.float32]:
    """What ``write_wav`` wrote."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / np.float32(32768)


def held_out_texts(folder: Path) -> set[str]:
    """Texts of the first release's files, which no bank may hold; later files come out of the test banks."""
    path = folder / TRANSCRIPTS
    entries = json.loads(path.read_text()) if path.exists() else []
    first = {plan.file for plan in PLANS if plan.words == "any"}
    return {
        part["text"] for entry in entries if entry["file"] in first for part in (entry, *entry.get("segments", []))
    }


def write_testset(work: Path, folder: Path, seed: int = 7) -> None:
    """Write the files that ``folder`` lacks; those it has stay as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / TRANSCRIPTS
    entries: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    present = {entry["file"] for entry in entries}
    for number, plan in enumerate(PLANS):
        if plan.file in present:
            continue
        rng = random.Random(seed * 1000 + number)
        banks = [[u for u in load_bank(work / f"{name}.npz") if _fits(u, plan)] for name in plan.banks]
        pool = [utterance for bank in banks for utterance in bank[: min(map(len, banks))]]
        if plan.utterances == 1:
            used = {entry["text"] for entry in entries}
            entry, audio = _single(plan, rng.choice([u for u in pool if u.text not in used]))
        else:
            entry, audio = _long(plan, long_file(pool, rng, plan.utterances))
        write_wav(folder / plan.file, audio)
        entries.append(entry)
    path.write_text(json.dumps(entries, indent=1) + "\n")


def _fits(utterance: Utterance, plan: FilePlan) -> bool:
    if plan.utterances > 1:
        return True
    words = utterance.text.split()
    new = plan.words == "any" or not NEW_WORDS.isdisjoint(words)
    return new and utterance.times is not None and len(words) >= MIN_WORDS


def _single(plan: FilePlan, utterance: Utterance) -> tuple[dict[str, Any], NDArray[np.float32]]:
    speech = utterance.wave * np.float32(0.6)
    audio = np.pad(speech, (int(LEAD_S * RATE), int(TAIL_S * RATE)))
    words = zip(utterance.text.split(), utterance.times or [], strict=True)
    entry = {
        "file": plan.file,
        "text": utterance.text,
        "voice": utterance.voice,
        "group": plan.group,
        "start": LEAD_S,
        "end": round(LEAD_S + utterance.seconds, 2),
        "words": [[word, round(LEAD_S + start, 2), round(LEAD_S + end, 2)] for word, (start, end) in words],
    }
    return entry, audio


def _long(plan: FilePlan, file: LongFile) -> tuple[dict[str, Any], NDArray[np.float32]]:
    segments = [
        {"start": round(start, 2), "end": round(end, 2), "text": utterance.text, "voice": utterance.voice}
        for start, end, utterance in file.parts
    ]
    group = f"long file, {plan.utterances} utterances, {plan.group}"
    entry = {"file": plan.file, "text": " ".join(file.words), "group": group, "segments": segments}
    return entry, file.audio


def score_testset(model: Path, folder: Path) -> dict[str, int]:
    """Write the model's word errors in every mode into the transcripts; returns their sums by mode."""
    recogniser, path = Recogniser(model), folder / TRANSCRIPTS
    entries: list[dict[str, Any]] = json.loads(path.read_text())
    sums: dict[str, int] = {}
    for entry in entries:
        file = LongFile(read_wav(folder / entry["file"]), [])
        errors = {
            f"{mode}, beam {beam}": edits(words_of(transcribe(file)), entry["text"].split())
            for beam in (1, 5)
            for mode, transcribe in recogniser.modes(beam).items()
            if mode != "batched, one clip each"
        }
        entry["int8_errors"] = errors
        for mode, count in errors.items():
            sums[mode] = sums.get(mode, 0) + count
    path.write_text(json.dumps(entries, indent=1) + "\n")
    return sums
