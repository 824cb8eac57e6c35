"""The evaluation: texts are spoken by the engine, and two recognisers say what they hear."""

import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samples.asr.recipe.recogniser import edits

from .codec import SAMPLE_RATE
from .flite import speak as speak_with_flite
from .recognisers import Recogniser
from .texts import NUMERALS
from .voice import SampleVoice

#: Row: the text as it is sent, and how it is spoken.
Speaker = Callable[[str, int], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Heard:
    """One text in one row: what each recogniser heard, and the sound's length in seconds."""

    row: str
    group: str
    text: str
    words: dict[str, str]
    seconds: float
    expected_seconds: float


def numerals(text: str) -> str:
    """Digits as numerals."""
    return " ".join(NUMERALS.get(word, word) for word in text.split())


def sentence(text: str) -> str:
    """A capital, commas, a full stop."""
    return ", ".join(text.split()).capitalize() + "."


def speakers(voice: SampleVoice, work: Path) -> dict[str, Speaker]:
    """The rows of the table."""

    def original(text: str) -> NDArray[np.float32]:
        return speak_with_flite(text, work).wave

    return {
        "flite": lambda text, _: original(text),
        "codec": lambda text, _: voice.through_codec(original(text)),
        "greedy": lambda text, seed: voice.speak(text, seed, temperature=0),
        "sampled": voice.speak,
        "sampled, voice slt": lambda text, seed: voice.speak(text, seed, reference=True),
        "greedy, numerals": lambda text, seed: voice.speak(numerals(text), seed, temperature=0),
        "greedy, sentence": lambda text, seed: voice.speak(sentence(text), seed, temperature=0),
    }


def evaluate(
    model: Path, texts: dict[str, list[str]], recognisers: dict[str, Recogniser], work: Path, count: int
) -> list[Heard]:
    """``count`` texts of every group in every row."""
    found: list[Heard] = []
    with SampleVoice(model) as voice:
        for row, speaker in speakers(voice, work).items():
            for group, listed in texts.items():
                for seed, text in enumerate(listed[:count]):
                    sound = speaker(text, seed)
                    words = {name: " ".join(one.hear(sound)) for name, one in recognisers.items()}
                    seconds = len(speak_with_flite(text, work).audio) / SAMPLE_RATE
                    found.append(Heard(row, group, text, words, len(sound) / SAMPLE_RATE, seconds))
            print(markdown([heard for heard in found if heard.row == row]), flush=True)
    return found


def error_rate(pairs: list[tuple[str, str]]) -> float:
    """Word errors in percent of (text, heard)."""
    words = sum(len(text.split()) for text, _ in pairs)
    return 100 * sum(edits(heard.split(), text.split()) for text, heard in pairs) / words


def shuffled(found: list[Heard], row: str) -> list[Heard]:
    """One row with every text paired with what was heard of another, for the rate of chance."""
    heard = [one for one in found if one.row == row]
    order = list(range(len(heard)))
    random.Random(1).shuffle(order)
    following = dict(zip(order, [*order[1:], order[0]], strict=True))
    return [
        Heard(f"{one.row}, shuffled", one.group, one.text, heard[following[i]].words, 0, 0)
        for i, one in enumerate(heard)
    ]


def markdown(found: list[Heard]) -> str:
    """Word error rates and, in brackets, whole texts without an error, both in percent."""
    cells: dict[str, list[str]] = {}
    columns = list(dict.fromkeys((one.group, name) for one in found for name in one.words))
    for row in dict.fromkeys(one.row for one in found):
        cells[row] = []
        for group, name in columns:
            chosen = [one for one in found if (one.row, one.group) == (row, group)]
            pairs = [(one.text, one.words[name]) for one in chosen]
            exact = 100 * sum(text == words for text, words in pairs) / max(1, len(pairs))
            cells[row].append(f"{error_rate(pairs):.1f} ({exact:.0f})" if pairs else "-")
    head = [f"{group} words, {name}" for group, name in columns]
    lines = [f"| | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    return "\n".join([*lines, *(f"| {row} | {' | '.join(values)} |" for row, values in cells.items())])


def write_results(path: Path, found: list[Heard]) -> None:
    """One line of JSON each."""
    lines = (json.dumps(asdict(one)) for one in found)
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
