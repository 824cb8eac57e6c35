"""The vocabulary of text classification: what every entrance asks for, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from deployments.errors import InvalidRequest, PayloadTooLarge
from deployments.texts import check_text, kind_of


@dataclass(frozen=True, slots=True)
class ClassificationRequest:
    """Texts to classify, none of them blank. ``deadline`` is Unix time in seconds, ``param`` the name that the
    texts have in the client's request.

    With ``in_pieces`` nothing of a text is left out: a long one is read in pieces, and of every label its highest
    probability counts. Else a text is read as a whole, as far as the model's input reaches.
    """

    texts: tuple[str, ...]
    model: str | None = None
    deadline: float | None = None
    request_id: str = ""
    param: str = "input"
    in_pieces: bool = False

    @classmethod
    def of(cls, texts: object, *, param: str = "input", model: str | None = None, request_id: str = "") -> Self:
        """A request for one text or a list of them, as any wire format brings it.

        Raises InvalidRequest that names ``param`` and says which text has to change, and how.
        """
        if isinstance(texts, str):
            return cls((_checked(texts, f"`{param}`", param, "send a text"),), model, None, request_id, param)
        if not isinstance(texts, list | tuple):
            raise InvalidRequest(
                f"`{param}` has to be a text or a list of texts, not {kind_of(texts)}.", param=param
            )
        if not texts:
            raise InvalidRequest(f"`{param}` is an empty list; send at least one text.", param=param)
        checked = (
            _checked(text, f"Text {number} of `{param}`", param, "leave it out")
            for number, text in enumerate(texts, 1)
        )
        return cls(tuple(checked), model, None, request_id, param)

    def check_size(self, most_texts: int, most_chars: int) -> None:
        """Raise InvalidRequest for too many texts, PayloadTooLarge for a text with too many characters."""
        if len(self.texts) > most_texts:
            raise InvalidRequest(
                f"{len(self.texts)} texts are more than the {most_texts} that one request may have; "
                "send several requests.",
                param=self.param,
            )
        for number, text in enumerate(self.texts, 1):
            if len(text) > most_chars:
                name = f"Text {number}" if len(self.texts) > 1 else "The text"
                raise PayloadTooLarge(
                    f"{name} has {len(text)} characters, more than the {most_chars} that are taken; cut it.",
                    param=self.param,
                )


@dataclass(frozen=True, slots=True)
class TextScores:
    """Probabilities (0 to 1) by label, in the order of the model's outputs.

    ``tokens`` counts those that the model has seen, in ``pieces`` of the text; ``truncated`` tells that it has not
    seen all of the text.
    """

    scores: Mapping[str, float]
    tokens: int
    truncated: bool = False
    pieces: int = 1

    @property
    def label(self) -> str:
        """The most probable label."""
        return max(self.scores, key=self.scores.__getitem__)


def _checked(text: object, name: str, param: str, remedy: str) -> str:
    if not isinstance(text, str):
        raise InvalidRequest(f"{name} has to be a text, not {kind_of(text)}.", param=param)
    if "\0" in text:
        raise InvalidRequest(f"{name} holds a NUL character (U+0000); remove it.", param=param)
    check_text(text, name, param=param, remedy=remedy)
    return text
