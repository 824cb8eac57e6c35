"""The fields of the routes that classify texts. The parsers and the documentation are made from these tables."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from deployments.errors import InvalidRequest
from deployments.text_classification.types import ClassificationRequest
from serve_app.fields.json_field import MODEL, JsonField, ignored_header, sort_fields
from serve_app.fields.schema_words import Schema

MANY_TEXTS = 100  # an answer about so many is put together on a thread
TEXT: Schema = {"type": "string"}
PART: Schema = {"type": "object", "properties": {"type": {"const": "text"}, "text": TEXT}}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


CLASSIFICATION = (
    JsonField(
        "input",
        {"anyOf": [TEXT, _list(TEXT)]},
        "The text to classify, or several. The answer has the same shape.",
        aliases=("prompt", "text"),
        required=True,
    ),
    MODEL,
)

MODERATION = (
    JsonField(
        "input",
        {"anyOf": [TEXT, _list(TEXT), _list(PART)]},
        "The text to judge, or several. Parts of the type `text` are one text together, a line each. "
        "Images are refused.",
        standard=True,
        required=True,
    ),
    MODEL,
)


@dataclass(frozen=True, slots=True)
class ParsedTexts:
    """A parsed body. ``single``: it holds one text that is not in a list. ``headers`` are for the response."""

    request: ClassificationRequest
    single: bool
    headers: Mapping[str, str]

    @property
    def large(self) -> bool:
        """Whether the answer is so long that it would hold up the event loop."""
        return len(self.request.texts) >= MANY_TEXTS


def parse_classification(body: Mapping[str, Any], request_id: str) -> ParsedTexts:
    """What a body asks for. Raises InvalidRequest with the name of the field that is wrong."""
    return _parse(body, CLASSIFICATION, request_id)


def parse_moderation(body: Mapping[str, Any], request_id: str) -> ParsedTexts:
    """The same for the fields of moderation."""
    parsed = _parse(body, MODERATION, request_id, _joined)
    return replace(parsed, request=replace(parsed.request, in_pieces=True))


def _parse(
    body: Mapping[str, Any],
    table: Iterable[JsonField],
    request_id: str,
    read: Callable[[Any], Any] = lambda value: value,
) -> ParsedTexts:
    fields = sort_fields(body, table)
    value = read(fields.values["input"])
    request = ClassificationRequest.of(
        value, param=fields.names["input"], model=fields.text(MODEL), request_id=request_id
    )
    return ParsedTexts(request, isinstance(value, str), ignored_header(fields.ignored))


def _joined(value: Any) -> Any:
    """Parts as the text that they are together; anything else as it is."""
    if not isinstance(value, list) or not any(isinstance(part, dict) for part in value):
        return value
    return "\n".join(_text_of(part, number) for number, part in enumerate(value, 1))


def _text_of(part: Any, number: int) -> str:
    match part:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "image_url"}:
            raise InvalidRequest(f"Part {number} of `input` is an image; only text is judged here.", param="input")
        case str():
            raise InvalidRequest("`input` mixes texts and parts; send either.", param="input")
    raise InvalidRequest(
        f'Part {number} of `input` has to be an object such as {{"type": "text", "text": "a text"}}.',
        param="input",
    )
