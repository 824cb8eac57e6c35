"""Sessions of ``/v1/tts/live`` that are refused, fail, take too long, or come from strangers."""

import asyncio
import json
from typing import Any

import pytest

from deployments.errors import ModelUnavailable, Overloaded
from serve_app.config.models import FishSpeechEntry
from serve_app.gateway.model_index import ModelIndex
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.fish.live.support import PATH, SPOKEN, Live, limited, size_of
from tests.serve_app.http.fish.support import gateway_with
from tests.serve_app.http.speech_stub import CHUNK
from tests.serve_app.http.stub import app_of


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
    session = Live(gateway_with())
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
    gateway = gateway_with()
    gateway.hindrances = {1: asyncio.Event()}
    session = Live(gateway).start().text(SPOKEN)
    await session.audio(CHUNK * 2)
    session.send(event)
    _, last, closed = await session.finished()
    assert (last["reason"], closed["code"]) == ("error", 1008)
    assert last["message"].startswith(words)
    assert (gateway.speaking, gateway.closed) == (0, 1)


async def test_messages_of_text() -> None:
    session = Live(gateway_with())
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
    gateway = gateway_with()
    gateway.hindrances = {1: error}
    sound, last, closed = await Live(gateway).start().text(SPOKEN).finished()
    assert (len(sound), last["status"], closed["code"]) == (CHUNK * 2, status, code)
    assert last["message"].startswith(words)


async def test_unknown_voices() -> None:
    _, last, closed = await Live(gateway_with()).start(reference_id="../x").text(SPOKEN).finished()
    assert (last["status"], last["message"]) == (404, "There is no voice '../x'.")
    assert closed["code"] == 1008


async def test_silence_is_not_waited_for() -> None:
    gateway = gateway_with()
    nothing = Live(gateway, limited(gateway, start_s=0.05))
    _, last, closed = await nothing.finished()
    assert (last["message"], closed["code"]) == ("No message came for 0.05 seconds.", 1011)
    idle = Live(gateway, limited(gateway, idle_s=0.05)).start(min_chunk_length=0).text("One. Two")
    sound, last, _ = await idle.finished()
    assert (len(sound), last["message"]) == (size_of("One."), "No message came for 0.05 seconds.")


async def test_a_client_that_listens_is_not_idle() -> None:
    gateway = gateway_with()
    waiting = gateway.hindrances[1] = asyncio.Event()
    session = Live(gateway, limited(gateway, idle_s=0.01)).start().text(SPOKEN)
    await session.audio(CHUNK * 2)
    assert session.call.task is not None
    await asyncio.wait({session.call.task}, timeout=0.1)
    waiting.set()
    await session.audio(size_of(SPOKEN) - CHUNK * 2)


async def test_sessions_end() -> None:
    gateway = gateway_with()
    gateway.hindrances = {1: asyncio.Event()}
    session = Live(gateway, limited(gateway, session_s=0.1)).start().text(SPOKEN)
    _, last, closed = await session.finished()
    assert (last["message"], closed["code"]) == ("A session takes at most 0.1 seconds.", 1011)
    assert (gateway.speaking, gateway.closed) == (0, 1)


async def test_text_that_is_not_spoken_in_time_is_bounded() -> None:
    gateway = gateway_with()
    gateway.hindrances = {1: asyncio.Event()}
    session = Live(gateway, limited(gateway, waiting_chars=100)).start().text(SPOKEN)
    await session.audio(CHUNK * 2)
    session.text(SPOKEN, SPOKEN)
    _, last, _ = await session.finished()
    assert last["message"].startswith("More than 100 characters wait to be spoken; send text more slowly.")


async def test_pieces_are_no_longer_than_the_model_takes() -> None:
    gateway = gateway_with()
    config = {"source": "samples/tts/model", "max_text_chars": 10}
    gateway.models = ModelIndex([FishSpeechEntry(id="short", family="fish_speech", config=config)])
    await Live(gateway).start().text("one two three four").stop().finished()
    assert [one.text for one in gateway.speech_requests] == ["one two", "three four"]


async def test_the_log_and_the_id(caplog: pytest.LogCaptureFixture) -> None:
    gateway = gateway_with()
    with caplog.at_level("INFO", "ray.serve"):
        await Live(gateway, **{"x-request-id": "r-1"}).start().text("a").stop().finished()
    assert gateway.spoken.request_id == "r-1"
    (line,) = [record for record in caplog.records if getattr(record, "path", "") == PATH]
    assert (line.method, line.status, line.request_id) == ("WEBSOCKET", 1000, "r-1")  # type: ignore[attr-defined]


async def test_strangers_where_the_handshake_can_be_answered() -> None:
    app = app_of(gateway_with(), keys=["k"])
    call = AsgiCall(app, PATH, type="websocket", extensions={"websocket.http.response": {}}).start()
    start, body = await call.finished()
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert json.loads(body["body"])["statusCode"] == 401


async def test_strangers() -> None:
    gateway = gateway_with()
    app = app_of(gateway, keys=["k"])
    (closed,) = await Live(gateway, app).call.finished()
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    session = Live(gateway, app, authorization="Bearer k").start().text("a").stop()
    assert len((await session.finished())[0]) == size_of("a")
