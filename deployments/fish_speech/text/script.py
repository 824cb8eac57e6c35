"""A text as it is going to be spoken: its pieces, the silence between them, and what is said in all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from deployments.errors import InvalidRequest
from deployments.fish_speech.text.normaliser import has_words, normalise
from deployments.fish_speech.text.passage import Passage
from deployments.fish_speech.text.signs import Cleaner
from deployments.fish_speech.text.splitting import split
from deployments.fish_speech.types import NumbersLanguage, TextFormat

NOTHING_TO_SAY = "The text has nothing that can be spoken; send words."


@dataclass(frozen=True, slots=True)
class Script:
    """``pieces`` have something to be said, each at once; ``pauses`` are seconds of silence, before each piece and
    after the last. ``spoken`` is the text that the pieces are made of, in one line.
    """

    pieces: tuple[str, ...]
    pauses: tuple[float, ...]
    spoken: str


def read_text(text: str, text_format: TextFormat = "plain") -> list[Passage]:
    """The passages of a text. Raises InvalidRequest for SSML that cannot be honoured."""
    match text_format:
        case "markdown":
            from deployments.fish_speech.text.markdown import read_markdown

            return read_markdown(text)
        case "ssml":
            from deployments.fish_speech.text.ssml import read_ssml

            return read_ssml(text)
    return [Passage(text)]


def check_has_words(text: str, param: str = "text") -> None:
    """Raise InvalidRequest that names ``param`` for a text without a letter or a digit in it."""
    if not has_words(text):
        raise InvalidRequest(NOTHING_TO_SAY, param=param)


def script_of(
    text: str,
    clean: Cleaner,
    length: int,
    *,
    text_format: TextFormat = "plain",
    numbers: NumbersLanguage | None = None,
) -> Script:
    """The script of a text whose pieces have about ``length`` bytes; 0 cuts only where there is a pause.

    ``numbers`` is the language in which numbers are spelled out. Takes some time for long texts.

    Raises InvalidRequest for a text with nothing to say, and SSML that cannot be honoured.
    """
    pieces: list[str] = []
    pauses = [0.0]
    spoken: list[str] = []
    passages = read_text(text, text_format)
    for passage in passages if length else _joined(passages):
        cleaned = clean(_in_words(passage.text, numbers))
        more = split(cleaned, length)
        pieces += more
        pauses += [0.0] * len(more)
        pauses[-1] += passage.pause_s
        spoken += cleaned.split()
    if not pieces:
        raise InvalidRequest(NOTHING_TO_SAY, param="text")
    return Script(tuple(pieces), tuple(pauses), " ".join(spoken))


def _joined(passages: Iterable[Passage]) -> Iterator[Passage]:
    """Neighbours without silence between them as one."""
    texts: list[str] = []
    for passage in passages:
        texts.append(passage.text)
        if passage.pause_s:
            yield Passage("\n".join(texts), passage.pause_s)
            texts = []
    yield Passage("\n".join(texts))


def _in_words(text: str, numbers: NumbersLanguage | None) -> str:
    if numbers is None:
        return text
    from deployments.fish_speech.text.numbers import spoken_numbers

    return spoken_numbers(normalise(text))
