"""``/v1/tts/live`` message by message, without a server."""

import asyncio
import json
from typing import Any

import ormsgpack
import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp

from deployments.errors import ModelUnavailable, Overloaded
from serve_app.config.app import FishSpeechEntry
from serve_app.gateway.models import ModelIndex
from serve_app.http.fish.live import session as live
from serve_app.http.fish.live.session import LiveLimits
from serve_app.http.middleware import RequestContext
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.fish.support import WAV, backend_with, voice
from tests.serve_app.http.speaking import SpeakingBackend
from tests.serve_app.http.speech_stub import CHUNK, SAMPLES_PER_CHAR
from tests.serve_app.http.stub import app_of

PATH = "/v1/tts/live"
SPOKEN = "This sentence is long enough to be spoken at once, I should think."


class Live:
    """A client's side of one session."""

    def __init__(self, backend: SpeakingBackend, app: ASGIApp | None = None, **headers: str) -> None:
        self.backend = backend
        self.call = AsgiCall(app or app_of(backend), PATH, type="websocket", headers=headers).start()
        self.call.deliver({"type": "websocket.connect"})

    def send(self, event: Any) -> None:
        packed = event if isinstance(event, bytes) else ormsgpack.packb(event)
        self.call.deliver({"type": "websocket.receive", "bytes": packed})

    def start(self, **request: Any) -> "Live":
        self.send({"event": "start", "request": {"text": "", "format": "pcm", **request}})
        return self

    def text(self, *texts: str) -> "Live":
        for text in texts:
            self.send({"event": "text", "text": text})
        return self

    def stop(self) -> "Live":
        self.send({"event": "stop"})
        return self

    async def received(self) -> Any:
        """The next event."""
        message = await self.call.sent()
        while message["type"] == "websocket.accept":
            message = await self.call.sent()
        assert message["type"] == "websocket.send", message
        return ormsgpack.unpackb(message["bytes"])

    async def audio(self, size: int) -> bytes:
        """The next so many bytes of audio."""
        found = b""
        while len(found) < size:
            event = await self.received()
            assert event["event"] == "audio", event
            found += event["audio"]
        assert len(found) == size
        return found

    async def finished(self) -> tuple[bytes, dict[str, Any], dict[str, Any]]:
        """All audio until the end, the last event, and how the session was closed."""
        found = b""
        while (event := await self.received())["event"] == "audio":
            found += event["audio"]
        (closed,) = await self.call.finished()
        assert closed["type"] == "websocket.close"
        return found, event, closed


def limited(backend: SpeakingBackend, **limits: Any) -> ASGIApp:
    """An application of the one route, with other limits."""
    return RequestContext(Starlette(routes=live.routes(backend, LiveLimits(**limits))))


def size_of(text: str) -> int:
    """Bytes of the stub's PCM."""
    return len(text) * SAMPLES_PER_CHAR * 2


async def test_a_session() -> None:
    backend = backend_with(voice("anna"))
    session = Live(backend, model="s1").start(reference_id="anna", seed=-5, temperature=0.3)
    sound, last, closed = await session.text("One, two,", " three.").stop().finished()
    assert len(sound) == size_of("One, two, three.")
    assert (last, closed["code"]) == ({"event": "finish", "reason": "stop"}, 1000)
    request = backend.spoken
    assert (request.text, request.voice, request.model) == ("One, two, three.", "anna", "s1")
    assert (request.sampling.seed, request.sampling.temperature) == (5, 0.3)
    assert (backend.speaking, backend.closed) == (0, 0)


async def test_sentences_are_spoken_before_the_text_ends() -> None:
    backend = backend_with()
    session = Live(backend).start(min_chunk_length=0).text("One. Tw")
    await session.audio(size_of("One."))
    session.text("o. Three")
    await session.audio(size_of("Two."))
    session.send({"event": "flush"})
    await session.audio(size_of("Three"))
    session.text("four").stop()
    sound, last, _ = await session.finished()
    assert (len(sound), last["reason"]) == (size_of("four"), "stop")
    assert [one.text for one in backend.speech_requests] == ["One.", "Two.", "Three", "four"]


async def test_one_voice_for_the_whole_session() -> None:
    """The seed is drawn once, and references come with every piece."""
    backend = backend_with()
    reference = {"audio": WAV, "text": "Silence."}
    session = Live(backend).start(min_chunk_length=0, references=[reference], prosody={"speed": 1.5})
    await session.text("One.").audio(size_of("One."))
    await session.text("Two.").stop().finished()
    first, second = backend.speech_requests
    assert first.sampling.seed is not None
    assert "seed" in first.sampling.model_fields_set
    assert second == first.model_copy(update={"text": "Two."})
    assert first.reference_texts == ("Silence.",)
    assert backend.references == [[WAV], [WAV]]


async def test_one_file_for_the_whole_session() -> None:
    session = Live(backend_with()).start(min_chunk_length=0, format="wav").text("One.")
    first = await session.audio(44 + size_of("One."))
    rest, _, _ = await session.text("Two.").stop().finished()
    assert first[:4] == b"RIFF"
    assert len(rest) == size_of("Two.")


async def test_text_of_the_first_message() -> None:
    sound, _, _ = await Live(backend_with()).start(text=SPOKEN).stop().finished()
    assert len(sound) == size_of(SPOKEN)


async def test_nothing_to_say() -> None:
    backend = backend_with()
    for texts in ((), ("", " \n"), ("... ", "***")):
        sound, last, closed = await Live(backend).start().text(*texts).stop().finished()
        assert (sound, last["reason"], closed["code"]) == (b"", "stop", 1000)
    assert backend.speech_requests == []


async def test_small_messages() -> None:
    """Clients take 64 KiB."""
    session = Live(backend_with()).start(sample_rate=48_000).text(SPOKEN).stop()
    sizes = []
    while (event := await session.received())["event"] == "audio":
        sizes.append(len(ormsgpack.packb(event)))
    assert max(sizes) < 65_536
    assert sum(sizes) > size_of(SPOKEN) * 3


async def test_texts_come_in_while_speech_goes_out() -> None:
    backend = backend_with()
    waiting = backend.hindrances[1] = asyncio.Event()
    session = Live(backend).start(min_chunk_length=0).text("One, two, three.")
    await session.audio(CHUNK * 2)
    session.text("Four.", "Five.", " Six.").stop()
    while backend.speaking and session.call.unread:
        await asyncio.sleep(0)
    waiting.set()
    sound, _, _ = await session.finished()
    assert len(sound) == size_of("One, two, three.") - CHUNK * 2 + size_of("Four.Five. Six.")
    assert [one.text for one in backend.speech_requests] == ["One, two, three.", "Four.Five. Six."]


@pytest.mark.parametrize("begun", [True, False])
async def test_a_client_that_leaves_stops_the_work(begun: bool) -> None:
    backend = backend_with()
    backend.hindrances = {1 if begun else 0: asyncio.Event()}
    session = Live(backend).start().text(SPOKEN)
    if begun:
        await session.audio(CHUNK * 2)
    while not backend.speaking:
        await asyncio.sleep(0)
    session.call.deliver({"type": "websocket.disconnect", "code": 1001})
    await session.call.finished()
    assert (backend.speaking, backend.closed) == (0, 1)


async def test_a_client_that_leaves_while_nothing_is_said() -> None:
    for session in (
        Live(backend_with()),
        Live(backend_with()).start().text("a"),
        Live(backend_with()).start().stop(),
    ):
        session.call.deliver({"type": "websocket.disconnect", "code": 1006})
        await session.call.finished()


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"event": "text", "text": "a"}, "The first message has to be the event `start`."),
        ({"event": "start"}, "request: Field required"),
        ({"event": "start", "request": {"top_p": 9}}, "request.top_p: Input should be less than or equal to 1"),
        ({"event": "start", "request": {"format": "ogg"}}, "request.format: Input should be 'wav', 'pcm',"),
        ({"event": "start", "request": {"model": "s9"}}, "The model 's9' is not served here."),
        ({"event": "start", "request": {"model": "sample-asr"}}, "The model 'sample-asr' does transcription,"),
        ({"event": "start", "request": {"reference_id": "x" * 600}}, "There is no voice with such an id."),
        ({"event": "begin"}, "The `event` of a message is one of start, text, flush, stop."),
        ({"event": []}, "The `event` of a message is one of start, text, flush, stop."),
        ({}, "The `event` of a message is one of start, text, flush, stop."),
        ([1], "Input should be a valid dictionary"),
        (b"\xc1", "The msgpack in the request body cannot be read: invalid type Reserved."),
        (b"", "The msgpack in the request body cannot be read: unexpected end of file."),
    ],
)
async def test_wrong_beginnings(event: Any, words: str) -> None:
    session = Live(backend_with())
    session.send(event)
    sound, last, closed = await session.finished()
    assert (sound, last["event"], last["reason"]) == (b"", "finish", "error")
    assert last["message"].startswith(words)
    assert closed["code"] == 1008
    assert last["message"].startswith(closed["reason"])


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"event": "start", "request": {}}, "The session has started already."),
        ({"event": "text"}, "text: Field required"),
        ({"event": "text", "text": 3}, "text: Input should be a valid string"),
        ({"event": "text", "text": "x" * 100_001}, "More than 100000 characters wait to be spoken;"),
    ],
)
async def test_mistakes_later(event: Any, words: str) -> None:
    """Whatever is being spoken is stopped."""
    backend = backend_with()
    backend.hindrances = {1: asyncio.Event()}
    session = Live(backend).start().text(SPOKEN)
    await session.audio(CHUNK * 2)
    session.send(event)
    _, last, closed = await session.finished()
    assert (last["reason"], closed["code"]) == ("error", 1008)
    assert last["message"].startswith(words)
    assert (backend.speaking, backend.closed) == (0, 1)


async def test_messages_of_text() -> None:
    session = Live(backend_with())
    session.call.deliver({"type": "websocket.receive", "text": '{"event": "start"}'})
    _, last, _ = await session.finished()
    assert last["message"] == "Messages are binary msgpack here; this one is text."


@pytest.mark.parametrize(
    ("error", "code", "status", "words"),
    [
        (Overloaded("Full.", retry_after_s=1), 1013, 429, "Full."),
        (ModelUnavailable("Loading."), 1013, 503, "Loading."),
        (ZeroDivisionError("a bug"), 1011, 500, "The server failed on this request."),
        (asyncio.CancelledError(), 1013, 503, "The work on this session was stopped."),
    ],
)
async def test_failures_of_the_model(error: BaseException, code: int, status: int, words: str) -> None:
    backend = backend_with()
    backend.hindrances = {1: error}
    sound, last, closed = await Live(backend).start().text(SPOKEN).finished()
    assert (len(sound), last["status"], closed["code"]) == (CHUNK * 2, status, code)
    assert last["message"].startswith(words)


async def test_unknown_voices() -> None:
    _, last, closed = await Live(backend_with()).start(reference_id="../x").text(SPOKEN).finished()
    assert (last["status"], last["message"]) == (404, "There is no voice '../x'.")
    assert closed["code"] == 1008


async def test_silence_is_not_waited_for() -> None:
    backend = backend_with()
    nothing = Live(backend, limited(backend, start_s=0.05))
    _, last, closed = await nothing.finished()
    assert (last["message"], closed["code"]) == ("No message came for 0.05 seconds.", 1011)
    idle = Live(backend, limited(backend, idle_s=0.05)).start(min_chunk_length=0).text("One. Two")
    sound, last, _ = await idle.finished()
    assert (len(sound), last["message"]) == (size_of("One."), "No message came for 0.05 seconds.")


async def test_a_client_that_listens_is_not_idle() -> None:
    backend = backend_with()
    waiting = backend.hindrances[1] = asyncio.Event()
    session = Live(backend, limited(backend, idle_s=0.01)).start().text(SPOKEN)
    await session.audio(CHUNK * 2)
    assert session.call.task is not None
    await asyncio.wait({session.call.task}, timeout=0.1)
    waiting.set()
    await session.audio(size_of(SPOKEN) - CHUNK * 2)


async def test_sessions_end() -> None:
    backend = backend_with()
    backend.hindrances = {1: asyncio.Event()}
    session = Live(backend, limited(backend, session_s=0.1)).start().text(SPOKEN)
    _, last, closed = await session.finished()
    assert (last["message"], closed["code"]) == ("A session takes at most 0.1 seconds.", 1011)
    assert (backend.speaking, backend.closed) == (0, 1)


async def test_text_that_is_not_spoken_in_time_is_bounded() -> None:
    backend = backend_with()
    backend.hindrances = {1: asyncio.Event()}
    session = Live(backend, limited(backend, waiting_chars=100)).start().text(SPOKEN)
    await session.audio(CHUNK * 2)
    session.text(SPOKEN, SPOKEN)
    _, last, _ = await session.finished()
    assert last["message"].startswith("More than 100 characters wait to be spoken; send text more slowly.")


async def test_pieces_are_no_longer_than_the_model_takes() -> None:
    backend = backend_with()
    config = {"source": "samples/tts/model", "max_text_chars": 10}
    backend.models = ModelIndex([FishSpeechEntry(id="short", family="fish_speech", config=config)])
    await Live(backend).start().text("one two three four").stop().finished()
    assert [one.text for one in backend.speech_requests] == ["one two", "three four"]


async def test_the_log_and_the_id(caplog: pytest.LogCaptureFixture) -> None:
    backend = backend_with()
    with caplog.at_level("INFO", "ray.serve"):
        await Live(backend, **{"x-request-id": "r-1"}).start().text("a").stop().finished()
    assert backend.spoken.request_id == "r-1"
    (line,) = [record for record in caplog.records if getattr(record, "path", "") == PATH]
    assert (line.method, line.status, line.request_id) == ("WEBSOCKET", 1000, "r-1")  # type: ignore[attr-defined]


async def test_strangers_where_the_handshake_can_be_answered() -> None:
    app = app_of(backend_with(), keys=["k"])
    call = AsgiCall(app, PATH, type="websocket", extensions={"websocket.http.response": {}}).start()
    start, body = await call.finished()
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert json.loads(body["body"])["statusCode"] == 401


async def test_strangers() -> None:
    backend = backend_with()
    app = app_of(backend, keys=["k"])
    (closed,) = await Live(backend, app).call.finished()
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    session = Live(backend, app, authorization="Bearer k").start().text("a").stop()
    assert len((await session.finished())[0]) == size_of("a")
