"""Server-sent events, and clients that leave."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from deployments.errors import InternalError, Overloaded, UndecodableAudio
from deployments.whisper.types import Progress, Started
from serve_app.http.openai.event_stream import EventStream
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.stub import (
    FINISHED,
    SCRIPT,
    SEGMENTS,
    TEXT,
    StubGateway,
    app_of,
    multipart,
    post,
    segment,
)

STREAM = {"stream": "true"}


def events(text: str) -> list[Any]:
    blocks = text.split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith(("data: ", ": ")) for block in blocks)
    return [json.loads(b[6:]) if b != "data: [DONE]" else b[6:] for b in blocks if b.startswith("data: ")]


async def test_deltas_then_one_done_then_the_end() -> None:
    response = await post(StubGateway(), STREAM)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    assert "content-length" not in response.headers
    first, second, done, end = events(response.text)
    assert first == {"type": "transcript.text.delta", "delta": SEGMENTS[0].text.lstrip()}
    assert second == {"type": "transcript.text.delta", "delta": SEGMENTS[1].text}
    assert done == {
        "type": "transcript.text.done",
        "text": TEXT,
        "languages": [{"code": "en"}],
        "usage": {"type": "duration", "seconds": 6},
    }
    assert first["delta"] + second["delta"] == done["text"]
    assert end == "[DONE]"


async def test_blank_segments_and_trailing_blanks() -> None:
    texts = ["  ", " a ", "", " ", "b\n", " "]
    script = (*(segment(i, text, i, i + 1) for i, text in enumerate(texts)), FINISHED)
    *deltas, done, _ = events((await post(StubGateway(script), STREAM)).text)
    assert len(deltas) == len(texts)
    assert "".join(d["delta"] for d in deltas) == done["text"] == "a  b"


async def test_silence_is_just_done() -> None:
    done, end = events((await post(StubGateway((Started("en", 0.5, 1.0), FINISHED)), STREAM)).text)
    assert (done["text"], done["languages"], end) == ("", [], "[DONE]")


async def test_logprobs_and_ignored_fields_in_a_stream() -> None:
    response = await post(StubGateway(), STREAM | {"include[]": "logprobs", "nonsense": "1"})
    assert response.headers["x-ignored-fields"] == "nonsense"
    first, second, done, _ = events(response.text)
    assert first["logprobs"] + second["logprobs"] == done["logprobs"]
    assert first["logprobs"][0]["token"] == " The"


async def test_verbose_deltas_carry_their_segment() -> None:
    fields = STREAM | {"response_format": "verbose_json", "timestamp_granularities[]": "word"}
    first, second, _, _ = events((await post(StubGateway(), fields)).text)
    assert [d["segment"]["id"] for d in (first, second)] == [0, 1]
    assert second["segment"]["words"][0] == {"word": "Glue", "start": 2.5, "end": 2.817}


async def test_line_separators_stay_inside_their_line() -> None:
    script = (segment(0, " a\u2028b\u0085c\r\nd", 0, 1), FINISHED)
    text = (await post(StubGateway(script), STREAM)).text
    assert text.isascii()
    assert events(text)[0]["delta"] == "a\u2028b\u0085c\r\nd"


@pytest.mark.parametrize("error", [UndecodableAudio("The file breaks off."), ValueError("secret")])
async def test_an_error_after_the_first_event(error: Exception) -> None:
    response = await post(StubGateway((*SCRIPT[:2], error)), STREAM)
    assert response.status_code == 200
    delta, failure = events(response.text)
    assert delta["type"] == "transcript.text.delta"
    assert failure["error"].keys() == {"message", "type", "param", "code"}
    assert "secret" not in response.text


async def test_an_end_without_finished_is_an_error() -> None:
    failure = events((await post(StubGateway(SCRIPT[:2]), STREAM)).text)[-1]
    assert failure["error"]["code"] == InternalError.code
    response = await post(StubGateway(SCRIPT[:2]))
    assert (response.status_code, response.json()["error"]["code"]) == (500, InternalError.code)


def stream_call(gateway: StubGateway, fields: dict[str, str] | None = None) -> AsgiCall:
    headers, body = multipart(STREAM if fields is None else fields)
    call = AsgiCall(app_of(gateway), headers=headers).start()
    call.feed(body)
    return call


async def test_deltas_come_while_the_work_goes_on() -> None:
    gate = asyncio.Event()
    gateway = StubGateway((SCRIPT[0], SEGMENTS[0], gate, SEGMENTS[1], FINISHED))
    call = stream_call(gateway)
    assert (await call.sent())["status"] == 200
    assert b"birch" in (await call.sent())["body"]
    assert gateway.closed == 0
    gate.set()
    rest = b"".join(m["body"] for m in await call.finished())
    assert b"Glue" in rest
    assert rest.endswith(b"data: [DONE]\n\n")


async def test_a_client_that_leaves_a_stream_stops_the_work() -> None:
    gateway = StubGateway((SEGMENTS[0], asyncio.Event()))
    call = stream_call(gateway)
    await call.sent()
    await call.sent()
    call.leave()
    assert await call.finished() == []
    assert gateway.closed == 1


@pytest.mark.parametrize("fields", [STREAM, {}, {"response_format": "srt"}])
async def test_a_client_that_leaves_before_the_answer_stops_the_work(fields: dict[str, str]) -> None:
    gateway = StubGateway((Progress(0.0, None), asyncio.Event()))
    call = stream_call(gateway, fields)
    while not gateway.requests:
        await asyncio.sleep(0)
    call.leave()
    assert await call.finished() == []
    assert gateway.closed == 1


async def test_a_client_that_leaves_during_its_upload() -> None:
    gateway = StubGateway()
    headers, body = multipart({})
    call = AsgiCall(app_of(gateway), headers=headers).start()
    call.feed(body[:50], more=True)
    call.leave()
    assert await call.finished() == []
    assert not gateway.requests


@pytest.mark.parametrize("fields", [STREAM, {}])
async def test_a_server_that_cancels_stops_the_work(fields: dict[str, str]) -> None:
    gateway = StubGateway((SEGMENTS[0], asyncio.Event()))
    call = stream_call(gateway, fields)
    while not gateway.requests:
        await asyncio.sleep(0)
    assert call.task is not None
    call.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.finished()
    assert gateway.closed == 1


@pytest.mark.parametrize("fields", [STREAM, {}])
async def test_work_that_is_cancelled_elsewhere_is_an_error(fields: dict[str, str]) -> None:
    response = await post(StubGateway((asyncio.CancelledError(),)), fields)
    assert (response.status_code, response.headers["x-should-retry"]) == (503, "true")


async def play(
    messages: AsyncGenerator[dict[str, Any], None], ping_s: float, calls: int
) -> tuple[list[dict[str, Any]], AsgiCall]:
    call = AsgiCall(EventStream(messages, ping_s=ping_s)).start()
    return [await call.sent() for _ in range(calls)], call


async def test_pings_in_silence_begin_the_response() -> None:
    gate = asyncio.Event()

    async def messages() -> AsyncGenerator[dict[str, Any], None]:
        await gate.wait()
        yield {"type": "x"}
        raise Overloaded("The queue is full.", retry_after_s=1)

    sent, call = await play(messages(), 0.01, 4)
    assert (sent[0]["type"], sent[0]["status"]) == ("http.response.start", 200)
    assert {m["body"] for m in sent[1:]} == {b": ping\n\n"}
    gate.set()
    rest = [m["body"] for m in await call.finished() if m["body"] != b": ping\n\n"]
    assert rest[0] == b'data: {"type":"x"}\n\n'
    assert b'"code":"overloaded"' in rest[1]
    assert rest[2:] == [b""]


async def test_a_client_whose_socket_breaks() -> None:
    gateway = StubGateway((*SEGMENTS, asyncio.Event()))
    headers, body = multipart(STREAM)
    call = AsgiCall(app_of(gateway), headers=headers)

    async def broken(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            raise ConnectionResetError

    call._outgoing.put = broken
    call.start().feed(body)
    await call.finished()
    assert gateway.closed == 1


async def test_scores_of_a_classifier_come_with_every_delta() -> None:
    scores = {"hate": 0.25, "neutral": 0.75}
    script = (segment(0, "a", 0, 1, classification=scores), segment(1, " ", 1, 2), FINISHED)
    spoken, silent, *_ = events((await post(StubGateway(script), STREAM)).text)
    assert spoken == {"type": "transcript.text.delta", "delta": "a", "classification": scores}
    assert "classification" not in silent
    verbose = STREAM | {"response_format": "verbose_json"}
    spoken, silent, *_ = events((await post(StubGateway(script), verbose)).text)
    assert spoken["segment"]["classification"] == spoken["classification"] == scores
    assert "classification" not in silent["segment"]
