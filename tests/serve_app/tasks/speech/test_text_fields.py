"""How a text is written and read: the same fields and the same refusals at every entrance."""

from collections.abc import Callable
from typing import Any

import pytest

from deployments.errors import InvalidRequest
from deployments.fish_speech.types import SpeechRequest
from serve_app.fields.model_fields import Unprocessable
from serve_app.grpc.protos.speech_pb2 import SpeakRequest
from serve_app.grpc.speech import read_request
from serve_app.http.fish import invoke
from serve_app.tasks.speech.fish_parse import parse_tts
from serve_app.tasks.speech.parse import parse_speech

Parse = Callable[[dict[str, Any]], SpeechRequest]
GRPC_FORMATS = {"plain": 1, "markdown": 2, "ssml": 3}
NOTHING = "The text has nothing that can be spoken; send words."


def openai(fields: dict[str, Any]) -> SpeechRequest:
    return parse_speech({**fields, "input": fields.get("text", "a")} | {"text": None}).request


def tts(fields: dict[str, Any]) -> SpeechRequest:
    return parse_tts({"text": "a", **fields}).request


def hosted(fields: dict[str, Any]) -> SpeechRequest:
    return parse_tts({"text": "a", **fields}, cloud=True).request


def invoked(fields: dict[str, Any]) -> SpeechRequest:
    return invoke._read({"text": "a", **fields}, "id")[1].request


def grpc(fields: dict[str, Any]) -> SpeechRequest:
    sent = dict(fields)
    if "text_format" in sent:
        sent["text_format"] = GRPC_FORMATS.get(sent["text_format"], 99)
    return read_request(SpeakRequest(**{"text": "a", **sent}), "id").request


ENTRANCES = pytest.mark.parametrize("parse", [openai, tts, hosted, invoked, grpc])


@ENTRANCES
@pytest.mark.parametrize("text_format", ["plain", "markdown", "ssml"])
def test_formats_reach_the_model(parse: Parse, text_format: str) -> None:
    asked = parse({"text_format": text_format, "normalize": "en"})
    assert (asked.text_format, asked.normalize) == (text_format, "en")


@ENTRANCES
def test_what_is_not_asked_for(parse: Parse) -> None:
    asked = parse({})
    assert (asked.text_format, asked.normalize, asked.before) == ("plain", None, "")


@pytest.mark.parametrize(
    ("parse", "sent", "numbers"),
    [
        (openai, True, "en"),
        (openai, False, None),
        (openai, None, None),
        (invoked, True, "en"),
        (invoked, False, None),
        (tts, True, None),  # what clients of fish-speech send without being asked
        (tts, False, None),
        (hosted, True, None),
    ],
)
def test_truth_asks_for_numbers_where_it_is_no_default_of_clients(parse: Parse, sent: Any, numbers: Any) -> None:
    assert parse({"normalize": sent}).normalize == numbers


@ENTRANCES
@pytest.mark.parametrize("wrong", [{"text_format": "html"}, {"normalize": "de"}])
def test_wrong_values_are_named(parse: Parse, wrong: dict[str, str]) -> None:
    (name,) = wrong
    with pytest.raises((InvalidRequest, Unprocessable), match=name):
        parse(wrong)


@pytest.mark.parametrize("parse", [openai, tts, hosted, invoked])
@pytest.mark.parametrize("text", ["…", "🤔", "❤️", "\u200b", "* —", "％"])
def test_nothing_to_say(parse: Parse, text: str) -> None:
    """By gRPC and in what markup leaves, the model finds it, in the same words."""
    with pytest.raises(InvalidRequest) as refusal:
        parse({"text": text})
    assert (refusal.value.message, refusal.value.status) == (NOTHING, 400)
    assert refusal.value.param == ("input" if parse is openai else "text")
