"""What the formats of texts have in common once they are read."""

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.fish_speech.text.normaliser import PARAGRAPH


@dataclass(frozen=True, slots=True)
class Passage:
    """Plain text that is spoken without what follows it, and the silence after it, in seconds."""

    text: str
    pause_s: float = 0.0


def plain_text(passages: Sequence[Passage]) -> str:
    """All that is said, a paragraph for each passage."""
    return PARAGRAPH.join(passage.text for passage in passages)
