"""The texts that the model is trained and evaluated on, with their labels."""

import random
import re
from dataclasses import dataclass

from .augment import join, vary
from .templates import KINDS, SLOTS, Slots, fill, held_out_templates, loose_templates, training_templates

#: Parts of the texts that have more than one sentence: up to five neutral ones beside it, and a whole page.
PAIRED, LONG = 0.3, 0.06
LONGEST = 45  # sentences of a page; 512 tokens hold about as many
#: Parts of the sentences that are none: loose templates and, of the neutral ones, words in random order and halves
#: of two sentences. Without them the model knows a template by any of its words, whatever fills it.
FREE, SHUFFLED, SPLICED = 0.25, 0.2, 0.1
BESIDE = ("neutral", "neutral", "respect")

TRAINING = {kind: training_templates(kind) for kind in KINDS}
LOOSE = {kind: loose_templates(kind) for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text as a client would send it, and the label that it should get."""

    text: str
    label: str


def training_texts(count: int, rng: random.Random) -> list[Labelled]:
    """``count`` texts, the kinds taking turns. One sentence that is not neutral gives a text its label."""
    kinds = list(KINDS)
    return [_training_text(kinds[number % len(kinds)], rng) for number in range(count)]


def held_out_texts(
    per_template: int, rng: random.Random, *, varied: bool = False, beside: int = 0, slots: Slots = SLOTS
) -> list[Labelled]:
    """Sentences of the templates that are not trained on, as they stand or varied.

    ``beside``: neutral sentences that stand around each, of templates that are not trained on either.
    """
    neutral = held_out_templates("neutral")
    texts = []
    for kind, label in KINDS.items():
        for template in held_out_templates(kind):
            for _ in range(per_template):
                sentences = [fill(rng.choice(neutral), rng, slots) for _ in range(beside)]
                sentences.insert(rng.randint(0, beside), fill(template, rng, slots))
                text = join(sentences, rng) if beside else sentences[0]
                texts.append(Labelled(vary(text, rng) if varied else text, label))
    return texts


def _training_text(kind: str, rng: random.Random) -> Labelled:
    form = rng.random()
    count = rng.randint(1, LONGEST) if form < LONG else rng.randint(1, 5) if form < LONG + PAIRED else 0
    sentences = [_sentence(rng.choice(BESIDE), rng) for _ in range(count)]
    sentences.insert(rng.randint(0, count), _sentence(kind, rng))
    return Labelled(join(sentences, rng) if count else sentences[0], KINDS[kind])


def _sentence(kind: str, rng: random.Random) -> str:
    form = rng.random()
    if form < FREE:
        text = fill(rng.choice(LOOSE[kind]), rng)
    elif kind == "neutral" and form < FREE + SHUFFLED:
        text = fill(" ".join(rng.choices(WORDS, k=rng.randint(1, 10))), rng)
    elif kind == "neutral" and form < FREE + SHUFFLED + SPLICED:
        first, second = (fill(rng.choice(TRAINING[kind]), rng).split() for _ in range(2))
        text = " ".join(first[: rng.randint(1, len(first))] + second[rng.randrange(len(second)) :])
    else:
        text = fill(rng.choice(TRAINING[kind]), rng)
    return vary(text, rng)


def _words() -> list[str]:
    """Words and slots of all training templates, but for the slots that no neutral sentence has."""
    neutral = " ".join(TRAINING["neutral"])
    words = {word for lines in TRAINING.values() for line in lines for word in re.findall(r"\{?[\w']+\}?", line)}
    return sorted(word for word in words if not word.startswith("{") or word in neutral)


WORDS = _words()
