"""What a segment may take: of the past into its prompt, and of time for its text."""

import json
import unicodedata
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployments.errors import ModelUnavailable

FILE = "speech.json"
LETTERS = {"N": 7, "Lu": 5, "Lo": 4, "S": 8}  # that a character is spoken as, by category; any other as one
SIGNS = frozenset("%&@#*/\\")  # are punctuation by category, and spoken all the same


class SegmentLimits(BaseModel):
    """Limits of one segment of a text. None leaves one to the model's own ``speech.json``, or to the default.

    A segment's prompt holds at most ``history`` tokens and frames of earlier segments; the default is as many as
    the context has room for. Speech that takes longer than ``pause_s`` seconds and ``letter_s`` for every letter
    has gone astray; a digit, a capital, a sign or a character of a script without vowels counts for several. The
    defaults, 3 and 0.2 seconds, are three times as slow as people speak.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    history: int | None = Field(None, ge=0, le=32_768, description="most tokens and frames of earlier segments")
    pause_s: float | None = Field(None, ge=0, le=600, description="seconds of speech that any segment may take")
    letter_s: float | None = Field(None, gt=0, le=60, description="seconds more for every letter of its text")

    def over(self, others: "SegmentLimits") -> "SegmentLimits":
        """These limits, and ``others`` where there is none."""
        return others.model_copy(update=self.model_dump(exclude_none=True))

    def longest_s(self, text: str) -> float:
        """Seconds of speech that a text can take. There have to be limits of time."""
        assert self.pause_s is not None
        assert self.letter_s is not None
        return self.pause_s + self.letter_s * letters(text)


DEFAULTS = SegmentLimits(pause_s=3.0, letter_s=0.2)


class _SpeechFile(BaseModel):
    """What a model's folder says about how it speaks best."""

    model_config = ConfigDict(extra="forbid")

    segments: SegmentLimits = SegmentLimits()


def limits_of(folder: Path, configured: SegmentLimits) -> SegmentLimits:
    """The limits of a model: those that are configured, else its own, else the defaults. Raises ModelUnavailable
    for a ``speech.json`` that is none.
    """
    own = SegmentLimits()
    if (folder / FILE).is_file():
        try:
            own = _SpeechFile.model_validate(json.loads((folder / FILE).read_bytes())).segments
        except (ValueError, RecursionError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise ModelUnavailable(f"The model's {FILE} cannot be read: {reason}") from error
    return configured.over(own).over(DEFAULTS)


def letters(text: str) -> int:
    """How many letters a text has when it is spoken, at most: numbers and signs are words, and characters of some
    scripts are syllables.
    """
    return sum(map(_letters, text))


def _letters(character: str) -> int:
    if character in SIGNS:
        return LETTERS["S"]
    category = unicodedata.category(character)
    return LETTERS.get(category) or LETTERS.get(category[0], 1)
