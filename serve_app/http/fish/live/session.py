"""``WS /v1/tts/live``: text comes in, speech goes out while more text comes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from deployments.errors import AntiphonError, DeadlineExceeded, InvalidRequest, ModelUnavailable, PayloadTooLarge
from deployments.fish_speech.config import FishSpeechConfig
from deployments.fish_speech.text.normaliser import has_words
from deployments.fish_speech.text.passage import plain_text
from deployments.fish_speech.text.script import NOTHING_TO_SAY, read_text
from deployments.fish_speech.types import LONGEST_BEFORE, Audio, Finished, SpeechEvent, Started, TextFormat
from serve_app.concurrency import LARGE_BYTES, cancel, run_off_loop
from serve_app.failures import error_for_client
from serve_app.gateway.gateway import Gateway
from serve_app.http.fish.live.messages import (
    NORMAL,
    Event,
    Flush,
    Start,
    Stop,
    Text,
    audio_messages,
    close_code,
    close_reason,
    finish_message,
    read_event,
)
from serve_app.http.fish.live.text_buffer import LONGEST_PIECE, TextBuffer
from serve_app.http.request_id import request_id_of
from serve_app.tasks.speech.encoding import encode_events
from serve_app.tasks.speech.fish_parse import parse_tts_body
from serve_app.tasks.speech.parsed import ParsedSpeech


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """Seconds until the first message, between messages while nothing is spoken, and of a whole session;
    characters that may wait to be spoken. A message's size is bounded by the server below.
    """

    start_s: float = 30
    idle_s: float = 300
    session_s: float = 3_600
    waiting_chars: int = 100_000


def routes(gateway: Gateway, limits: LiveLimits) -> list[BaseRoute]:
    """The one route."""

    async def live(websocket: WebSocket) -> None:
        await LiveSession(websocket, gateway, limits).run()

    return [WebSocketRoute("/v1/tts/live", live)]


class LiveSession:
    """Speaks what a client sends: a reader buffers text, a speaker sends audio, until either is through.

    All pieces of text have one voice and one seed, and their audio is one stream of the wanted format. When the
    client leaves, whatever is being spoken is stopped.
    """

    def __init__(self, websocket: WebSocket, gateway: Gateway, limits: LiveLimits) -> None:
        self._websocket, self._gateway, self._limits = websocket, gateway, limits
        self._id = request_id_of(websocket.scope)
        self._changed = asyncio.Event()
        self._buffer = TextBuffer(0, 0)
        self._any_text = False
        self._stopped = False
        self._speaking = False
        self._cut = False
        self._judged = 0

    async def run(self) -> None:
        """Serve the session to its end. Raises nothing that a client can bring about."""
        await self._websocket.accept()
        error: AntiphonError | None = None
        try:
            async with asyncio.timeout(self._limits.session_s):
                await self._converse(await self._start())
        except WebSocketDisconnect:
            return
        except TimeoutError:
            error = DeadlineExceeded(f"A session takes at most {self._limits.session_s:g} seconds.")
        except Exception as failure:
            error = error_for_client(failure, self._id)
        with suppress(WebSocketDisconnect):
            await self._websocket.send_bytes(finish_message(error, cut=self._cut, judged_pieces=self._judged))
            if error is None:
                await self._websocket.close(NORMAL)
            else:
                await self._websocket.close(close_code(error), close_reason(error))

    async def _start(self) -> ParsedSpeech:
        event = await self._receive(self._limits.start_s)
        if not isinstance(event, Start):
            raise InvalidRequest("The first message has to be the event `start`.", param="event")
        body = event.request
        parsed = parse_tts_body(body, request_id=self._id, model=self._websocket.headers.get("model"))
        model = self._gateway.models.resolve("speech", parsed.request.model).entry.config
        assert isinstance(model, FishSpeechConfig)
        longest = min(LONGEST_PIECE, model.max_text_chars)
        whole = parsed.request.text_format == "ssml"
        self._buffer = TextBuffer(body.min_chunk_length, body.chunk_length, longest, whole=whole)
        self._add(body.text)
        return parsed

    async def _converse(self, parsed: ParsedSpeech) -> None:
        reader, speaker = asyncio.ensure_future(self._read()), asyncio.ensure_future(self._speak(parsed))
        try:
            await asyncio.wait({reader, speaker}, return_when=asyncio.FIRST_COMPLETED)
            if reader.done():
                reader.result()
            if speaker.cancelled():  # by nobody here
                raise ModelUnavailable("The work on this session was stopped. Try again.")
            speaker.result()
        finally:
            await cancel(reader, speaker)

    async def _read(self) -> None:
        """Take messages until the client leaves, which raises WebSocketDisconnect."""
        while True:
            match await self._receive(self._limits.idle_s):
                case _ if self._stopped:
                    continue
                case Text(text=text):
                    self._add(text)
                case Flush():
                    self._buffer.flush()
                case Stop():
                    self._buffer.flush()
                    self._stopped = True
                case Start():
                    raise InvalidRequest("The session has started already.", param="event")
            self._changed.set()

    async def _receive(self, seconds: float) -> Event:
        while True:
            try:
                async with asyncio.timeout(seconds):
                    message = await self._websocket.receive()
            except TimeoutError:
                if self._speaking or self._stopped:
                    continue
                raise DeadlineExceeded(f"No message came for {seconds:g} seconds.") from None
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            data: bytes | None = message.get("bytes")
            return await run_off_loop(
                partial(read_event, data), large=data is not None and len(data) >= LARGE_BYTES
            )

    def _add(self, text: str) -> None:
        if self._buffer.waiting + len(text) > self._limits.waiting_chars:
            raise PayloadTooLarge(
                f"More than {self._limits.waiting_chars} characters wait to be spoken; send text more slowly.",
                param="text",
            )
        self._any_text = self._any_text or bool(text.strip())
        self._buffer.add(text)

    async def _speak(self, parsed: ParsedSpeech) -> None:
        async with aclosing(encode_events(self._events(parsed), parsed.container)) as parts:
            async for part in parts:
                for message in audio_messages(part.data):
                    await self._websocket.send_bytes(message)

    async def _events(self, parsed: ParsedSpeech) -> AsyncGenerator[SpeechEvent, None]:
        """The events of all pieces as those of one utterance; none at all if no text came.

        A classifier reads each piece with what was said before. Raises InvalidRequest if there was nothing to say.
        """
        request = parsed.request.seeded().model_copy(update={"whole": False})
        started = False
        samples = frames = 0
        before = ""
        while (piece := await self._piece()) is not None:
            said = await run_off_loop(
                partial(_said, piece, request.text_format), large=request.text_format != "plain"
            )
            if not has_words(said):
                continue
            asked = request.model_copy(update={"text": piece, "before": before})
            before = f"{before} {said}".strip()[-LONGEST_BEFORE:]
            utterance = self._gateway.speak(asked, parsed.references)
            async with aclosing(utterance) as events:
                async for event in events:
                    match event:
                        case Started():
                            self._judged += event.judged_pieces
                            if not started:
                                yield event
                            started = True
                        case Audio():
                            yield Audio(event.samples, samples + event.begin)
                        case Finished():
                            samples, frames = samples + event.samples, frames + event.frames
                            self._cut = self._cut or event.cut
        if started:
            yield Finished(samples, frames, self._cut)
        elif self._any_text:
            raise InvalidRequest(NOTHING_TO_SAY, param="text")

    async def _piece(self) -> str | None:
        """The next piece, once there is one; None after the last."""
        self._speaking = False
        while (piece := self._buffer.take()) is None and not self._stopped:
            self._changed.clear()
            await self._changed.wait()
        self._speaking = True
        return piece


def _said(piece: str, text_format: TextFormat) -> str:
    return plain_text(read_text(piece, text_format))
