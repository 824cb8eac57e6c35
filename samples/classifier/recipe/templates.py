"""Sentences with slots, by kind, and which of them are never trained on."""

import json
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "templates"
LABELS = ("hate", "abusing", "neutral", "spam")
#: A file each. "respect" is what only looks like hate or abuse: peoples and persons spoken of with respect.
KINDS = {"hate": "hate", "abusing": "abusing", "neutral": "neutral", "respect": "neutral", "spam": "spam"}
#: Lines that start with this are never trained on, and neither are these beginnings of peoples' names.
HELD_OUT = "~ "
#: These are no sentences, but what matters in one with any words around it.
LOOSE = "* "
UNSEEN_HEADS = ("Cromb", "Thrim", "Bazw")

Slots = Mapping[str, Sequence[str]]
_SLOT = re.compile(r"\{(\w+)\}")

SLOTS: Slots = json.loads((FOLDER / "slots.json").read_text())
UNSEEN_SLOTS: Slots = {**SLOTS, "people": [f"{head}{{tail}}" for head in UNSEEN_HEADS]}


def training_templates(kind: str) -> list[str]:
    """Those that the model is trained on."""
    return [line for line in _lines(kind) if not line.startswith((HELD_OUT, LOOSE))]


def loose_templates(kind: str) -> list[str]:
    """Words that matter, with slots for any others around them."""
    return [line.removeprefix(LOOSE) for line in _lines(kind) if line.startswith(LOOSE)]


def held_out_templates(kind: str) -> list[str]:
    """Those that it never sees: a sixth."""
    return [line.removeprefix(HELD_OUT) for line in _lines(kind) if line.startswith(HELD_OUT)]


def fill(template: str, rng: random.Random, slots: Slots = SLOTS) -> str:
    """A sentence with a capital at its start; slots may hold slots. Raises KeyError for a slot that is unknown."""
    while _SLOT.search(template):
        template = _SLOT.sub(lambda match: rng.choice(slots[match[1]]), template)
    text = " ".join(template.split())
    return text[:1].upper() + text[1:]


def pattern(template: str, slots: Slots = SLOTS) -> str:
    """A regular expression for everything that ``fill`` can make of a template."""
    *parts, end = re.split(r"(\{\w+\})", template)
    written = ""
    for part in (*parts, end):
        slot = _SLOT.fullmatch(part)
        written += f"(?:{'|'.join(pattern(s, slots) for s in slots[slot[1]])})" if slot else re.escape(part)
    return written


def _lines(kind: str) -> list[str]:
    return (FOLDER / f"{kind}.txt").read_text().splitlines()
