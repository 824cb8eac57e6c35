"""Texts of the shared vocabulary, and other spellings of the same words."""

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from samples.asr.recipe.vocabulary import DIGITS, OTHERS, WORDS

TESTSET = Path(__file__).parents[1] / "testset.json"
NUMERALS = {word: str(value) for value, word in enumerate(DIGITS)}
#: What the first release did not know. These are drawn twice as often as other words.
NEW_WORDS = (
    *("go", "turn", "the", "light", "on", "off", "up", "down", "pause", "next", "back", "help", "volume", "call"),
    *("message", "time", "house", "big", "small", "hot", "cold", "and", "my", "new"),
)
FIRST_WORDS = tuple(word for word in WORDS if word not in NEW_WORDS)
LENGTHS, WEIGHTS = (1, 2, 3, 4, 5, 6, 7, 8), (3, 18, 20, 19, 16, 11, 7, 7)


def draw(rng: random.Random, lengths: Sequence[int] = LENGTHS, weights: Sequence[int] = WEIGHTS) -> str:
    """One text of 1-8 words: 22 % digits only, 52 % other words only, 26 % mixed."""
    count, kind = rng.choices(lengths, weights)[0], rng.random()
    pool = DIGITS if kind < 0.22 else [*OTHERS, *NEW_WORDS] if kind < 0.74 else [*WORDS, *NEW_WORDS]
    return " ".join(rng.choice(pool) for _ in range(count))


def distinct_texts(count: int, seed: int, banned: Iterable[str] = ()) -> list[str]:
    """``count`` texts, none of them banned. Only single words are repeated, four times of five."""
    rng, seen, texts = random.Random(seed), set(banned), list[str]()
    while len(texts) < count:
        text = draw(rng)
        if text in seen and (" " in text or rng.random() < 0.2):
            continue
        seen.add(text)
        texts.append(text)
    return texts


def held_out_texts() -> dict[str, list[str]]:
    """The test set: texts of two to five and of six to eight words, none of which is trained on."""
    stored: dict[str, list[str]] = json.loads(TESTSET.read_text())
    return stored


def respell(text: str, rng: random.Random) -> str:
    """Numerals, commas, a capital, a final mark, each now and then: other spellings of the same speech."""
    words = text.split()
    if rng.random() < 0.2 and any(word in NUMERALS for word in words):
        joined, text = rng.random() < 0.5, ""
        for i, word in enumerate(words):
            tight = i == 0 or (joined and word in NUMERALS and words[i - 1] in NUMERALS)
            text += ("" if tight else " ") + NUMERALS.get(word, word)
        words = text.split()
    if rng.random() < 0.1:
        text = ", ".join(words)
    if rng.random() < 0.3:
        text = text[0].upper() + text[1:]
    kind = rng.random()
    return text + "." if kind < 0.3 else text + rng.choice("!?") if kind < 0.35 else text
