"""The messages of ``WS /v1/tts/live``: binary, msgpack objects with an ``event``."""

from collections.abc import Iterator
from typing import Any, Literal

import ormsgpack
from pydantic import Field

from deployments.errors import AntiphonError, InvalidRequest, ModelUnavailable, Overloaded
from serve_app.fields.model_fields import validated
from serve_app.http.fish.bodies import parse_msgpack
from serve_app.tasks.speech.fish_fields import FishBody, LiveBody

AUDIO_BYTES = 32 * 1024  # clients take messages of up to 64 KiB
LONGEST_REASON = 123  # bytes, by the protocol of WebSockets
NORMAL, REFUSED, FAILED, LATER = 1000, 1008, 1011, 1013


class Start(FishBody):
    """The first message: what the session is to sound like."""

    event: Literal["start"]
    request: LiveBody = Field(description="The fields of `/v1/tts`; its `text`, if any, is spoken first.")


class Text(FishBody):
    """More to say."""

    event: Literal["text"]
    text: str = Field(description="The next piece of the text, of any length.")


class Flush(FishBody):
    """Say now what was sent."""

    event: Literal["flush"]


class Stop(FishBody):
    """No more text: say what is left, then finish."""

    event: Literal["stop"]


Event = Start | Text | Flush | Stop
EVENTS: dict[str, type[Start] | type[Text] | type[Flush] | type[Stop]] = {
    "start": Start,
    "text": Text,
    "flush": Flush,
    "stop": Stop,
}


def read_event(message: bytes | None) -> Event:
    """The event in a message, None being one of text. Raises InvalidRequest, Unprocessable, PayloadTooLarge."""
    if message is None:
        raise InvalidRequest("Messages are binary msgpack here; this one is text.")
    fields = parse_msgpack(message)
    name = fields.get("event")
    if not isinstance(name, str) or name not in EVENTS:
        raise InvalidRequest(f"The `event` of a message is one of {', '.join(EVENTS)}.", param="event")
    return validated(EVENTS[name], fields)


def audio_messages(data: bytes) -> Iterator[bytes]:
    """Messages with audio, each small enough for every client."""
    for start in range(0, len(data), AUDIO_BYTES):
        yield ormsgpack.packb({"event": "audio", "audio": data[start : start + AUDIO_BYTES]})


def finish_message(error: AntiphonError | None = None, *, cut: bool = False, judged_pieces: int = 0) -> bytes:
    """The last message. Beyond what the hosted service says, it tells what the error is, or whether a segment was
    ``cut``, and in how many pieces a classifier has read the text, if there is one.
    """
    message: dict[str, Any] = {"event": "finish", "reason": "stop" if error is None else "error"}
    if error is not None:
        message |= {"status": error.status, "message": error.message}
    else:
        message["cut"] = cut
        if judged_pieces:
            message["judged_pieces"] = judged_pieces
    return ormsgpack.packb(message)


def close_code(error: AntiphonError) -> int:
    """The WebSocket's code for an error."""
    match error:
        case Overloaded() | ModelUnavailable():
            return LATER
        case _ if error.status < 500:
            return REFUSED
    return FAILED


def close_reason(error: AntiphonError) -> str:
    """The error's sentence, as much of it as a WebSocket can close with."""
    return error.message.encode("utf-8", "replace")[:LONGEST_REASON].decode("utf-8", "ignore")
