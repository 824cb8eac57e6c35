"""Speech with the times of its words."""

import base64
import json
from typing import Any

import httpx
import pytest

from deployments.errors import ModelUnavailable, Overloaded
from deployments.whisper.types import Finished, Started
from media.encode import encode
from serve_app.gateway.model_index import ModelIndex
from serve_app.http.fish.hosted import timestamps
from tests.serve_app.http.fish.support import cloud_sentence, gateway_with, send, voice
from tests.serve_app.http.speech_stub import RATE, SPEECH_MODEL, tone
from tests.serve_app.http.stub import segment

PATH = "/v1/tts/stream/with-timestamp"
SAID = "Turn the light on."
HEARD = (Started("en", 0.9, 0.9), segment(0, " Turn the light on.", 0.0, 0.8), Finished("en", 0.9, 0.9, 0.9))


def events(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    blocks = response.text.removesuffix("\n\n").split("\n\n")
    assert all(block.startswith("data: {") for block in blocks)
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


@pytest.mark.parametrize("msgpack", [False, True])
async def test_parts_of_the_file_and_then_the_times(msgpack: bool) -> None:
    gateway = gateway_with(voice("anna"))
    gateway.script = HEARD
    body = {"text": SAID, "format": "pcm", "reference_id": "anna", "seed": 3, "wish": 1}
    response = await send(gateway, body, PATH, msgpack=msgpack, headers={"model": "s2-pro"})
    *parts, last = events(response)
    assert response.headers["x-ignored-fields"] == "wish"
    assert len(parts) > 1
    for part in parts:
        assert part | {"audio_base64": ""} == {
            "audio_base64": "",
            "content": SAID,
            "alignment": None,
            "chunk_seq": 0,
            "chunk_audio_offset_sec": 0.0,
        }
    sound = b"".join(base64.b64decode(part["audio_base64"]) for part in parts)
    assert sound == encode(tone(gateway.spoken), "pcm", RATE)
    assert (last["audio_base64"], last["content"], last["cut"]) == ("", SAID, False)
    assert last["alignment"] == {
        "segments": [
            {"text": word, "start": start, "end": round(start + 0.2, 3)}
            for word, start in (("Turn", 0.0), ("the", 0.2), ("light", 0.4), ("on", 0.6))
        ],
        "audio_duration": len(SAID) * 0.05,
    }
    assert gateway.request.decoding.word_timestamps
    assert gateway.uploads[0] is not None
    assert gateway.uploads[0].data.tobytes().startswith(b"RIFF")


async def test_of_markup_the_words_have_times() -> None:
    gateway = gateway_with()
    gateway.script = HEARD
    body = {"text": "<p>Turn the</p><break/>light on.", "text_format": "ssml"}
    *_, last = events(await send(gateway, body, PATH))
    assert [one["text"] for one in last["alignment"]["segments"]] == ["Turn", "the", "light", "on"]
    assert last["content"] == body["text"]


async def test_speech_that_never_ends_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timestamps, "LONGEST_S", 0.5)
    gateway = gateway_with()
    gateway.script = HEARD
    *parts, last = events(await send(gateway, {"text": SAID, "format": "pcm"}, PATH))
    assert len(parts) > 1
    assert last == {"status": 413, "message": "The speech is longer than 0.5 seconds; send several requests."}


async def test_nothing_was_heard() -> None:
    gateway = gateway_with()
    gateway.script = (HEARD[0], HEARD[-1])
    *_, last = events(await send(gateway, {"text": SAID}, PATH))
    assert last["alignment"] is None


@pytest.mark.parametrize("error", [Overloaded("It is full.", retry_after_s=1), ModelUnavailable("It is gone.")])
async def test_nobody_listens(error: Exception) -> None:
    gateway = gateway_with()
    gateway.script = (error,)
    *parts, last = events(await send(gateway, {"text": SAID}, PATH))
    assert parts
    assert last == {"status": error.status, "message": str(error)}  # type: ignore[attr-defined]


async def test_refusals_have_the_hosted_services_shape() -> None:
    gateway = gateway_with()
    for body, status, said in (
        ({"text": " "}, 400, "`text`"),
        ({"text": 3}, 422, "text: Input should be a valid string"),
        ({"text": "a", "reference_id": "nobody"}, 404, "There is no voice"),
        ({"text": "a" * 8_001}, 413, "`text` may have 8000 bytes here"),
    ):
        response = await send(gateway, body, PATH)
        assert response.status_code == status
        assert said in cloud_sentence(response)
    gateway.models = ModelIndex([SPEECH_MODEL])
    response = await send(gateway, {"text": "a"}, PATH)
    assert (response.status_code, "use /v1/tts" in cloud_sentence(response)) == (404, True)


@pytest.mark.parametrize("path", ["/wallet/self/api-credit", "/wallet/self/package"])
async def test_there_are_no_accounts(path: str) -> None:
    response = await send(gateway_with(), path=path, method="GET")
    assert response.status_code == 404
    assert cloud_sentence(response).startswith("This server keeps no accounts")
