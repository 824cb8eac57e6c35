"""The texts that the model is trained and evaluated on, with their labels."""

import random
import re
from dataclasses import dataclass

from .augment import join, vary
from .templates import LABELS, SLOTS, Slots, fill, held_out_templates, training_templates

#: Labels take turns like this: what is neutral has the most sides, and looks most like something else.
TURNS = ("neutral", "hate", "neutral", "abusing", "neutral", "hate", "neutral", "spam")
#: Parts of the texts that have more than one sentence: one or two neutral ones beside it, and a whole page.
PAIRED, LONG = 0.15, 0.03
LONGEST = 45  # sentences of a page; 512 tokens hold about as many
#: Parts of the neutral sentences that are words in random order, and halves of two sentences. Without them the
#: model knows what is bad by any word that happens to be in bad templates only.
SHUFFLED, SPLICED = 0.25, 0.1


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text as a client would send it, and the label that it should get."""

    text: str
    label: str


def training_texts(count: int, rng: random.Random) -> list[Labelled]:
    """``count`` texts, the labels taking turns. One sentence that is not neutral gives a text its label."""
    return [_training_text(TURNS[number % len(TURNS)], rng) for number in range(count)]


def held_out_texts(
    per_template: int, rng: random.Random, *, varied: bool = False, slots: Slots = SLOTS
) -> list[Labelled]:
    """Sentences of the templates that are not trained on, as they stand or varied."""
    return [
        Labelled(vary(text, rng) if varied else text, label)
        for label in LABELS
        for template in held_out_templates(label)
        for text in [fill(template, rng, slots) for _ in range(per_template)]
    ]


def _training_text(label: str, rng: random.Random) -> Labelled:
    kind = rng.random()
    count = rng.randint(1, LONGEST) if kind < LONG else rng.randint(1, 2) if kind < LONG + PAIRED else 0
    sentences = [_sentence("neutral", rng) for _ in range(count)]
    sentences.insert(rng.randint(0, count), _sentence(label, rng))
    return Labelled(join(sentences, rng) if count else sentences[0], label)


def _sentence(label: str, rng: random.Random) -> str:
    kind = rng.random() if label == "neutral" else 1.0
    if kind < SHUFFLED:
        text = fill(" ".join(rng.choices(WORDS, k=rng.randint(1, 10))), rng)
    elif kind < SHUFFLED + SPLICED:
        first, second = (fill(rng.choice(TRAINING[label]), rng).split() for _ in range(2))
        text = " ".join(first[: rng.randint(1, len(first))] + second[rng.randrange(len(second)) :])
    else:
        text = fill(rng.choice(TRAINING[label]), rng)
    return vary(text, rng)


def _words() -> list[str]:
    """Words and slots of all training templates, but for those that no neutral sentence has."""
    neutral = " ".join(TRAINING["neutral"])
    words = {word for lines in TRAINING.values() for line in lines for word in re.findall(r"\{?[\w']+\}?", line)}
    return sorted(word for word in words if not word.startswith("{") or word in neutral)


TRAINING = {label: training_templates(label) for label in LABELS}
WORDS = _words()
