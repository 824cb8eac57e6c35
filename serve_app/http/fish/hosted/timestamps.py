"""``POST /v1/tts/stream/with-timestamp``: speech in server-sent events, and when each of its words is spoken."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from deployments.errors import AntiphonError, ModelNotFound, PayloadTooLarge
from deployments.fish_speech.text.passage import plain_text
from deployments.fish_speech.text.script import read_text
from deployments.fish_speech.types import Audio, Finished, Started
from deployments.whisper.types import DecodingOptions, TranscriptionRequest, collect
from media.encode import encode
from serve_app.fields.audio import uploads_of
from serve_app.gateway.gateway import Gateway
from serve_app.http.fish.bodies import read_fields
from serve_app.http.request_id import request_id_of
from serve_app.http.responses.message_stream import MessageStream
from serve_app.tasks.speech.encoding import encode_events
from serve_app.tasks.speech.fish_parse import parse_tts
from serve_app.tasks.speech.parsed import ParsedSpeech
from serve_app.tasks.speech.word_times import TimedWord, word_times

LONGEST = 8_000  # bytes of text: some ten minutes of speech, unless it is very slow
LONGEST_S = 1_800  # of speech, which has to be kept until its words are found


def routes(gateway: Gateway) -> list[BaseRoute]:
    """The one route."""

    async def speak(request: Request) -> Response:
        read = partial(
            parse_tts, request_id=request_id_of(request.scope), model=request.headers.get("model"), cloud=True
        )
        parsed = await read_fields(request, read)
        if gateway.models.default("transcription") is None:
            raise ModelNotFound("No model here hears when words are spoken: use /v1/tts, which has no times.")
        if len(parsed.request.text.encode("utf-8", "replace")) > LONGEST:
            raise PayloadTooLarge(f"`text` may have {LONGEST} bytes here; send several requests.", param="text")
        return _Stream(_messages(gateway, parsed), parsed.headers)

    return [Route("/v1/tts/stream/with-timestamp", speak, methods=["POST"])]


class _Stream(MessageStream):
    def _error(self, error: AntiphonError) -> Mapping[str, Any]:
        return {"status": error.status, "message": error.message}


async def _messages(gateway: Gateway, parsed: ParsedSpeech) -> AsyncGenerator[dict[str, Any], None]:
    """The file in parts of base64, then the times of all words. Raises any ``AntiphonError``.

    The whole text is one chunk of the hosted service's, whose alignment comes last. Beyond what that says, the
    last message tells whether a segment was ``cut``, and in how many pieces a classifier, if there is one, has
    read the text. Of markup the words have times, not the signs.
    """
    text = parsed.request.text
    heard: list[NDArray[np.float16]] = []
    rate = samples = judged = 0
    cut = False
    async with aclosing(
        encode_events(gateway.speak(parsed.request, parsed.references), parsed.container)
    ) as parts:
        async for part in parts:
            if part.data:
                yield _message(text, part.data, None)
            match part.event:
                case Started():
                    rate, judged = part.event.sample_rate, part.event.judged_pieces
                case Audio():
                    if part.event.begin + len(part.event.samples) > LONGEST_S * rate:
                        raise PayloadTooLarge(
                            f"The speech is longer than {LONGEST_S} seconds; send several requests.", param="text"
                        )
                    heard.append(part.event.samples.astype(np.float16))
                case Finished():
                    samples, cut = part.event.samples, part.event.cut
    duration = samples / rate
    words = await _words(gateway, parsed, heard, rate) if heard else []
    said = text
    if parsed.request.text_format != "plain":
        said = plain_text(await asyncio.to_thread(read_text, text, parsed.request.text_format))
    times = await asyncio.to_thread(word_times, said, words, duration)
    segments = [{"text": one.text, "start": round(one.start, 3), "end": round(one.end, 3)} for one in times]
    alignment = {"segments": segments, "audio_duration": round(duration, 3)} if segments else None
    facts = {"cut": cut, "judged_pieces": judged} if judged else {"cut": cut}
    yield {**_message(text, b"", alignment), **facts}


def _message(text: str, data: bytes, alignment: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "audio_base64": base64.b64encode(data).decode("ascii"),
        "content": text,
        "alignment": alignment,
        "chunk_seq": 0,
        "chunk_audio_offset_sec": 0.0,
    }


async def _words(
    gateway: Gateway, parsed: ParsedSpeech, heard: Sequence[NDArray[np.float16]], rate: int
) -> list[TimedWord]:
    """The words that the default transcription model hears."""
    (upload,) = uploads_of([await asyncio.to_thread(lambda: encode(np.concatenate(heard), "wav", rate))])
    request = TranscriptionRequest(
        decoding=DecodingOptions(word_timestamps=True),
        deadline=parsed.request.deadline,
        request_id=parsed.request.request_id,
    )
    async with aclosing(gateway.transcribe(request, upload)) as events:
        transcript = await collect("transcribe", events)
    return [
        TimedWord(word.word, word.start, word.end) for segment in transcript.segments for word in segment.words
    ]
