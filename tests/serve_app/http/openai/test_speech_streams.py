"""Speech while it is being made: events, errors before and after the first sound, clients that leave."""

import asyncio
import base64
import json
from typing import Any

import numpy as np
import pytest

from deployments.errors import ContentRefused, InvalidRequest, Overloaded, PayloadTooLarge
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.openai.speech_calls import SECONDS, SPEECH, TEXT, events_of, speak
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.speech_stub import tone
from tests.serve_app.http.stub import app_of, ask


async def test_server_sent_events() -> None:
    gateway = SpeakingGateway()
    response = await speak(gateway, stream_format="sse", response_format="pcm", seed=7)
    assert response.headers["content-type"].startswith("text/event-stream")
    *deltas, done, end = events_of(response.text)
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    assert len(deltas) > 3
    audio = b"".join(base64.b64decode(delta["audio"]) for delta in deltas)
    assert audio == (await speak(response_format="pcm", seed=7)).content
    frames = len(audio) // 2 // 640
    assert done == {
        "type": "speech.audio.done",
        "usage": {
            "input_tokens": len(TEXT),
            "output_tokens": frames,
            "total_tokens": len(TEXT) + frames,
        },
        "seed": 7,
        "seconds": SECONDS,
        "cut": False,
    }
    assert end == "[DONE]"


async def test_a_whole_file_in_one_event() -> None:
    delta, _, _ = events_of((await speak(stream_format="sse", stream=False, response_format="wav")).text)
    assert base64.b64decode(delta["audio"]) == (await speak(stream=False, response_format="wav")).content


@pytest.mark.parametrize("events", ["audio", "sse"])
@pytest.mark.parametrize(
    ("error", "status", "param"),
    [
        (Overloaded("Full.", retry_after_s=2.5), 429, None),
        (InvalidRequest("Nothing to say.", param="text"), 400, "input"),
        (PayloadTooLarge("Too long.", param="text"), 413, "input"),
        (ContentRefused("Not nice.", param="text"), 400, "input"),
        (InvalidRequest("One each.", param="references"), 400, "references"),
        (RuntimeError("secret"), 500, None),
        (asyncio.CancelledError(), 503, None),
    ],
)
async def test_errors_before_the_first_sound(
    error: BaseException, status: int, param: str | None, events: str
) -> None:
    response = await speak(SpeakingGateway(hindrances={0: error}), stream_format=events)
    assert (response.status_code, response.json()["error"]["param"]) == (status, param)
    assert "secret" not in response.text
    if status == 429:
        assert response.headers["retry-after"] == "3"


def call(gateway: SpeakingGateway, **body: Any) -> AsgiCall:
    call = AsgiCall(app_of(gateway), SPEECH, headers={"content-type": "application/json"}).start()
    call.feed(json.dumps({"input": TEXT, **body}).encode())
    return call


async def test_sound_leaves_while_the_rest_is_made() -> None:
    gate = asyncio.Event()
    gateway = SpeakingGateway(hindrances={2: gate})
    asked = call(gateway, response_format="wav")
    assert (await asked.sent())["status"] == 200
    first, second = await asked.sent(), await asked.sent()
    assert len(first["body"]) + len(second["body"]) == 44 + 2 * 2 * 4_000
    assert gateway.closed == 0
    gate.set()
    rest = await asked.finished()
    assert rest[-1]["more_body"] is False


@pytest.mark.parametrize("error", [Overloaded("Full.", retry_after_s=1), RuntimeError("secret")])
async def test_a_later_error_breaks_the_connection(error: Exception) -> None:
    asked = call(SpeakingGateway(hindrances={2: error}), response_format="wav")
    assert (await asked.sent())["status"] == 200
    rest = await asked.finished()
    assert all(one["more_body"] for one in rest)  # the end is missing
    failed = events_of((await speak(SpeakingGateway(hindrances={2: error}), stream_format="sse")).text)
    assert failed[-1]["error"]["message"].endswith(".")
    assert "secret" not in str(failed)


@pytest.mark.parametrize("body", [{}, {"stream_format": "sse"}, {"stream": False}])
async def test_a_client_that_leaves_stops_the_work(body: dict[str, Any]) -> None:
    gateway = SpeakingGateway(hindrances={1: asyncio.Event()})
    asked = call(gateway, response_format="wav", **body)
    while not gateway.speaking:
        await asyncio.sleep(0)
    asked.leave()
    await asked.finished()
    assert (gateway.closed, gateway.speaking) == (1, 0)


async def test_many_at_once() -> None:
    gateway = SpeakingGateway()
    texts = [f"Text number {number}." for number in range(12)]
    answers = await asyncio.gather(
        *[
            ask(gateway, {"input": text, "response_format": "pcm", "seed": i}, SPEECH)
            for i, text in enumerate(texts)
        ]
    )
    for request in gateway.speech_requests:
        answer = answers[texts.index(request.text)]
        said = np.rint(tone(request, 24_000) * 32_768).astype("<i2")
        np.testing.assert_array_equal(np.frombuffer(answer.content, "<i2"), said)
