"""The texts of a request as what a classifier's engine runs: each whole, or in pieces with nothing left out."""

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from deployments.characters import with_whole_words
from deployments.errors import PayloadTooLarge
from deployments.text_classification.pieces import halves
from deployments.text_classification.types import TextScores

if TYPE_CHECKING:
    from deployments.text_classification.engine import ClassifierEngine, EncodedText

Whole = Literal["always", "if it fits", "if it is short"]
"""When a text is read as a whole: always, cut if need be; if it fits into the model's input; if it is a piece."""

PORTION_TEXTS, PORTION_CHARS = 64, 16_384  # what a thread works on at once
OVERLAP_CHARS = 1_024  # of a long text's portions: more than half a piece
_DISGUISE = re.compile(r"(?<!\w)(?:@|https?:?/{0,2}|www\.)+(?=\w)", re.IGNORECASE)
OnThread = Callable[..., Awaitable[Any]]
"""Runs a function with arguments beside the event loop."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is to be run. ``owners`` has for every input the number of the text that it is a piece of."""

    inputs: "Sequence[EncodedText]"
    owners: Sequence[int]

    @property
    def tokens(self) -> int:
        """Of all inputs."""
        return sum(len(each.ids) for each in self.inputs)

    def scores(self, labels: Sequence[str], rows: Sequence[Sequence[float]]) -> tuple[TextScores, ...]:
        """What came out, by text. Of every label its highest probability in any piece counts."""
        by_text: dict[int, TextScores] = {}
        for owner, row, each in zip(self.owners, rows, self.inputs, strict=True):
            scores, tokens, truncated, pieces = (
                dict(zip(labels, row, strict=True)),
                len(each.ids),
                each.truncated,
                1,
            )
            if (before := by_text.get(owner)) is not None:
                scores = {label: max(score, before.scores[label]) for label, score in scores.items()}
                tokens, truncated = tokens + before.tokens, truncated or before.truncated
                pieces += before.pieces
            by_text[owner] = TextScores(scores, tokens, truncated, pieces)
        return tuple(by_text[number] for number in range(len(by_text)))


class Reader:
    """Reads for one engine. ``on_thread`` runs what takes long; requests take turns there."""

    def __init__(self, engine: "ClassifierEngine", on_thread: OnThread, most_pieces: int) -> None:
        self._engine, self._on_thread, self._most_pieces = engine, on_thread, most_pieces

    async def read(self, texts: Sequence[str], whole: Whole, param: str | None = None) -> Reading:
        """The inputs of all texts. Raises PayloadTooLarge that names ``param`` for more pieces than are taken."""
        if whole == "always":
            return Reading(await self._encoded(texts), range(len(texts)))
        most = self._engine.max_tokens if whole == "if it fits" else self._engine.piece_tokens
        sources, owners = _sources(texts) if whole == "if it is short" else (texts, range(len(texts)))
        inputs: list[EncodedText] = []
        owned: list[int] = []
        for source, owner, encoded in zip(sources, owners, await self._encoded(sources), strict=True):
            short = not encoded.truncated and len(encoded.ids) <= most
            read = [encoded] if short else await self._fitting(await self._pieces(source))
            if param is not None and len(inputs) + len(read) > self._most_pieces:
                raise PayloadTooLarge(
                    f"The texts have more than {self._most_pieces} pieces to be judged; send less at once.",
                    param=param,
                )
            inputs += read
            owned += [owner] * len(read)
        return Reading(inputs, owned)

    async def _pieces(self, text: str) -> list[str]:
        found: dict[str, None] = {}
        for begin, end in sections(text):
            for piece in await self._on_thread(self._engine.pieces, text[begin:end]):
                found[piece] = None
        return list(found)

    async def _fitting(self, texts: Sequence[str]) -> "list[EncodedText]":
        """All of the texts; what does not fit into the engine's input is halved."""
        done: list[EncodedText] = []
        while texts:
            longer: list[str] = []
            for text, encoded in zip(texts, await self._encoded(texts), strict=True):
                if encoded.truncated and (parts := halves(text)) is not None:
                    longer += parts
                else:
                    done.append(encoded)
            texts = longer
        return done

    async def _encoded(self, texts: Sequence[str]) -> "list[EncodedText]":
        """A thread takes a few texts at a time, so that a request that leaves keeps no thread."""
        encoded: list[EncodedText] = []
        for portion in portions(texts):
            encoded += await self._on_thread(self._engine.encode, portion)
        return encoded


def _sources(texts: Sequence[str]) -> tuple[list[str], list[int]]:
    """The texts, and those again whose words hide behind emoji, or as names and addresses, which models of tweets
    do not read; with the number of each. Both spellings count, since a model may know what an emoji says.
    """
    sources: list[str] = []
    owners: list[int] = []
    for number, text in enumerate(texts):
        spellings = list(dict.fromkeys((text, _DISGUISE.sub("", with_whole_words(text)))))
        sources += spellings
        owners += [number] * len(spellings)
    return sources, owners


def portions(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in order, several at a time if they are short."""
    begin = size = 0
    for index, text in enumerate(texts):
        if index > begin and (size + len(text) > PORTION_CHARS or index - begin == PORTION_TEXTS):
            yield texts[begin:index]
            begin, size = index, 0
        size += len(text)
    yield texts[begin:]


def sections(text: str) -> list[tuple[int, int]]:
    """Begins and ends of portions of a long text, each of which begins a little before the end of the last."""
    begins = range(0, max(1, len(text) - OVERLAP_CHARS), PORTION_CHARS - OVERLAP_CHARS)
    return [(begin, min(begin + PORTION_CHARS, len(text))) for begin in begins]
