"""SSML, as much of it as is honoured: ``speak``, ``p``, ``s`` and ``break``. All else is refused by its name."""

import re
from collections.abc import Mapping
from xml.parsers import expat  # the parser alone: declarations of types and entities are refused before they count

from deployments.characters import without_unseen
from deployments.errors import InvalidRequest
from deployments.fish_speech.text.passage import Passage

LONGEST_PAUSE_S = 10.0
LONGEST_PAUSES_S = 300.0  # of one text
DEEPEST = 32
STRENGTHS: Mapping[str, float] = {
    "none": 0.0,
    "x-weak": 0.1,
    "weak": 0.25,
    "medium": 0.5,
    "strong": 1.0,
    "x-strong": 2.0,
}  # seconds
TAGS = ("speak", "p", "s", "break")
_TIME = re.compile(r"\s*\+?(\d{1,6}(?:\.\d{0,6})?|\.\d{1,6})(ms|s)\s*", re.ASCII)
_DECLARATION = re.compile(r"\A\s*<\?xml\b[^<>]*\?>")
LONGEST_NAME = 64


def read_ssml(text: str) -> list[Passage]:
    """The passages between paragraphs, sentences and breaks. ``<speak>`` around it all may be left out.

    Raises InvalidRequest for what is not well-formed, declares a type or entities, has other tags, breaks that are
    longer than 10 seconds or 300 together.
    """
    text = _DECLARATION.sub("", without_unseen(text), count=1)
    begin = "" if _is_document(text) else "<speak>"
    reader = _Reader()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse_declaration
    parser.ProcessingInstructionHandler = reader.refuse_instruction
    try:
        parser.Parse(f"{begin}{text}{begin.replace('<', '</')}".encode(), True)
    except expat.ExpatError as error:
        raise InvalidRequest(
            f"The SSML is not well-formed: {expat.ErrorString(error.code)} (line {error.lineno}, column "
            f"{error.offset + 1 - (len(begin) if error.lineno == 1 else 0)}). Write & as &amp; and < as &lt;.",
            param="text",
        ) from error
    return reader.passages


def _is_document(text: str) -> bool:
    text = text.lstrip()
    return text.startswith(("<speak", "<!DOCTYPE")) or (text.startswith("<!--") and "<speak" in text)


class _Reader:
    """Takes the parser's events. ``passages`` are those that have ended."""

    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self._said: list[str] = []
        self._depth = 0
        self._pauses_s = 0.0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth == 1 or name == "speak":
            if self._depth > 1 or name != "speak":
                raise _refusal("`<speak>` has to be around all of the SSML, once.")
            return
        if name not in TAGS:
            raise _refusal(f"`<{name[:LONGEST_NAME]}>` is not understood here; SSML may have {_listed(TAGS)}.")
        if self._depth > DEEPEST:
            raise _refusal(f"The SSML is more than {DEEPEST} tags deep.")
        if name == "break":
            self._close(_pause(attributes))
        else:
            self._close()

    def end(self, name: str) -> None:
        self._depth -= 1
        if name != "break":
            self._close()

    def text(self, data: str) -> None:
        self._said.append(data)

    def refuse_declaration(self, *_: object) -> None:
        raise _refusal("SSML must not declare a document type or entities; leave out <!DOCTYPE ...>.")

    def refuse_instruction(self, target: str, _: str) -> None:
        raise _refusal(f"`<?{target[:LONGEST_NAME]} ...?>` is not understood here; leave it out.")

    def _close(self, pause_s: float = 0.0) -> None:
        """End the passage, if anything was said in it or comes after it."""
        said, self._said = "".join(self._said), []
        self._pauses_s += pause_s
        if self._pauses_s > LONGEST_PAUSES_S:
            raise _refusal(f"The breaks are longer than {LONGEST_PAUSES_S:g} s together.")
        if said.strip() or pause_s:
            self.passages.append(Passage(said, pause_s))


def _pause(attributes: Mapping[str, str]) -> float:
    """Seconds. A time counts for more than a strength."""
    for name in attributes:
        if name not in ("time", "strength"):
            raise _refusal(f"`<break>` has no `{name[:LONGEST_NAME]}`; it may have `time` and `strength`.")
    strength = attributes.get("strength", "medium")
    if strength not in STRENGTHS:
        raise _refusal(f"The strength of a break has to be one of {_listed(STRENGTHS)}.")
    if "time" not in attributes:
        return STRENGTHS[strength]
    time = _TIME.fullmatch(attributes["time"])
    seconds = float(time[1]) / (1000 if time[2] == "ms" else 1) if time else -1.0
    if not 0 <= seconds <= LONGEST_PAUSE_S:
        raise _refusal(
            f"The time of a break has to be 0 to {LONGEST_PAUSE_S:g} seconds, such as 500ms or 1.5s, not "
            f"{attributes['time'][:LONGEST_NAME]!r}."
        )
    return seconds


def _listed(names: "Mapping[str, float] | tuple[str, ...]") -> str:
    return ", ".join(names)


def _refusal(sentence: str) -> InvalidRequest:
    return InvalidRequest(sentence, param="text")
