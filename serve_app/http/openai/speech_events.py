"""The server-sent events of speech in OpenAI's format: ``speech.audio.delta``, ``speech.audio.done``."""

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from deployments.fish_speech.types import Finished, SpeechEvent, Started
from serve_app.tasks.speech.encoding import Container, encode_events


async def speech_messages(
    events: AsyncGenerator[SpeechEvent, None], container: Container
) -> AsyncGenerator[dict[str, Any], None]:
    """The file in deltas of base64, then what it took to make. Raises any ``AntiphonError``."""
    started: Started | None = None
    async with aclosing(encode_events(events, container)) as parts:
        async for part in parts:
            if part.data:
                yield {"type": "speech.audio.delta", "audio": base64.b64encode(part.data).decode("ascii")}
            match part.event:
                case Started():
                    started = part.event
                case Finished():
                    assert started is not None
                    yield _done(started, part.event)
                    return
    raise RuntimeError("the speech ended without its last event")


def _done(started: Started, finished: Finished) -> dict[str, Any]:
    message: dict[str, Any] = {
        "type": "speech.audio.done",
        "usage": {
            "input_tokens": started.text_tokens,
            "output_tokens": finished.frames,
            "total_tokens": started.text_tokens + finished.frames,
        },
        "seed": started.seed,
        "seconds": round(finished.samples / started.sample_rate, 3),
        "cut": finished.cut,
    }
    if started.classification is not None:
        message["classification"] = dict(started.classification)
        message["judged_pieces"] = started.judged_pieces
    return message
