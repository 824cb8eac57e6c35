"""The closed vocabulary of the sample models and the sentences they are trained and tested on."""

import json
import random
from pathlib import Path

_LISTED = json.loads((Path(__file__).parents[2] / "vocabulary.json").read_text())
DIGITS: list[str] = _LISTED["digits"]
OTHERS: list[str] = _LISTED["others"]
WORDS = DIGITS + OTHERS
#: What the model of the first release did not know; comparisons with it leave these words out.
NEW_WORDS = frozenset({"good", "world", "yellow", "table", "garden", "summer", "winter"})

TEMPLATES = (
    """
please turn the light {switch}|turn the {thing} {switch}|open the {thing}|close the {thing} please
play {quality} music|pause the music|call {digit} {digit} {digit}|call {digit} {digit} {digit} {digit} {digit}
hello thank you|thank you and hello|start the {quality} {thing}|stop the {thing} {time}|{answer} please
go {way} and {way}|volume {updown} please|turn the volume {updown}|new message {time}|play my message|help my house
{quality} water and {quality} coffee|coffee {time} please|my {quality} {thing} please
the {quality} {thing} and the {quality} {thing}|{answer} {answer}|next message please|go back|today and tomorrow
hello|{answer}|time {digit} {digit}|call my house {time}|good {part}|good {part} world|hello world|thank you world
good coffee {time}|open the garden {opening}|close the garden {opening} please|water the garden {time}
{season} and {season}|{season} {part} music|good {season} {part}|the {quality} table and the {quality} garden
turn the yellow light {switch}|my {season} garden|the {quality} {season}|new table {time} please
""".strip()
    .replace("\n", "|")
    .split("|")
)
SLOTS = {
    "switch": ("on", "off"),
    "thing": (
        *("light", "door", "window", "house", "music", "water", "coffee", "message", "call", "volume"),
        *("table", "garden"),
    ),
    "quality": ("red", "green", "blue", "big", "small", "hot", "cold", "new", "good", "yellow"),
    "time": ("today", "tomorrow", "morning", "evening"),
    "part": ("morning", "evening"),
    "season": ("summer", "winter"),
    "opening": ("door", "window"),
    "answer": ("yes", "no", "stop", "go", "help", "next", "back", "start"),
    "way": ("left", "right", "up", "down", "back"),
    "updown": ("up", "down"),
    "digit": tuple(DIGITS),
}


def sentence(rng: random.Random) -> str:
    """One random text of 1-8 words: 36 % digit strings, 30 % filled templates, 34 % lists of random words."""
    kind = rng.random()
    if kind < 0.36:
        return " ".join(rng.choice(DIGITS) for _ in range(rng.randint(1, 8)))
    if kind < 0.66:
        text = rng.choice(TEMPLATES)
        while "{" in text:
            before, _, rest = text.partition("{")
            slot, _, after = rest.partition("}")
            text = before + rng.choice(SLOTS[slot]) + after
        return text
    count = rng.choice([1, 1, 2, 3, 4, 5, 6, 7])
    return " ".join(rng.choice(WORDS if rng.random() < 0.3 else OTHERS) for _ in range(count))
