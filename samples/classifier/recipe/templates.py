"""Sentences with slots, by label, and which of them are never trained on."""

import json
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "templates"
LABELS = ("hate", "abusing", "neutral", "spam")
#: Every sixth line of a file is for evaluation only. So are these beginnings of peoples' names.
HELD_OUT_EVERY = 6
UNSEEN_HEADS = ("Cromb", "Tolv", "Bazw")

Slots = Mapping[str, Sequence[str]]
_SLOT = re.compile(r"\{(\w+)\}")

SLOTS: Slots = json.loads((FOLDER / "slots.json").read_text())
UNSEEN_SLOTS: Slots = {**SLOTS, "people": [f"{head}{{tail}}" for head in UNSEEN_HEADS]}


def templates(label: str) -> list[str]:
    """All templates of a label, in the order of the file."""
    return (FOLDER / f"{label}.txt").read_text().splitlines()


def training_templates(label: str) -> list[str]:
    """Those that the model is trained on."""
    return [line for number, line in enumerate(templates(label), 1) if number % HELD_OUT_EVERY]


def held_out_templates(label: str) -> list[str]:
    """Those that it never sees."""
    return templates(label)[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]


def fill(template: str, rng: random.Random, slots: Slots = SLOTS) -> str:
    """A sentence with a capital at its start; slots may hold slots. Raises KeyError for a slot that is unknown."""
    while _SLOT.search(template):
        template = _SLOT.sub(lambda match: rng.choice(slots[match[1]]), template)
    return template[:1].upper() + template[1:]


def pattern(template: str, slots: Slots = SLOTS) -> str:
    """A regular expression for everything that ``fill`` can make of a template."""
    *parts, end = re.split(r"(\{\w+\})", template)
    written = ""
    for part in (*parts, end):
        slot = _SLOT.fullmatch(part)
        written += f"(?:{'|'.join(pattern(s, slots) for s in slots[slot[1]])})" if slot else re.escape(part)
    return written
