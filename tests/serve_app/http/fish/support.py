"""What the tests of fish-speech's API share."""

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import ormsgpack

from deployments.fish_speech.types import Voice, VoiceDetails
from media.encode import encode
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.stub import app_of, client_of

KEY = "the-key"
TTS = "/v1/tts"
MSGPACK = {"content-type": "application/msgpack"}
GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden.json").read_text())
WAV = encode(np.zeros(1_600, np.float32), "wav", 16_000)
"""An audio file of 0.1 s."""


def voice(
    voice_id: str, *texts: str, created: float = 1_700_000_000.0, shipped: bool = False, **details: Any
) -> Voice:
    """A voice of the library."""
    return Voice(voice_id, texts or ("Hello.",), VoiceDetails(**details), created, created, shipped)


def gateway_with(*voices: Voice) -> SpeakingGateway:
    """A gateway with voices in its library."""
    gateway = SpeakingGateway()
    gateway.library = {one.id: one for one in voices}
    return gateway


async def send(
    gateway: SpeakingGateway,
    body: Any = None,
    path: str = TTS,
    *,
    method: str = "POST",
    msgpack: bool = False,
    headers: dict[str, str] | None = None,
    keys: tuple[str, ...] = (),
    **limits: Any,
) -> httpx.Response:
    """One request to a fresh application: a body to be written as JSON or msgpack, or bytes as they are."""
    sent = {
        **({} if body is None else MSGPACK if msgpack else {"content-type": "application/json"}),
        **(headers or {}),
    }
    content = body if body is None or isinstance(body, bytes) else (ormsgpack.packb if msgpack else _json)(body)
    async with client_of(app_of(gateway, keys=keys, **limits)) as client:
        return await client.request(method, path, content=content, headers={**sent, **(headers or {})})


def sentence(response: httpx.Response) -> str:
    """The sentence of an error in fish-speech's shape."""
    error = response.json()
    assert error.keys() == {"statusCode", "message", "error"}
    assert error["statusCode"] == response.status_code
    return str(error["message"])


def cloud_sentence(response: httpx.Response) -> str:
    """The sentence of an error in the hosted service's shape."""
    error = response.json()
    assert error.keys() == {"status", "message"}
    assert error["status"] == response.status_code
    return str(error["message"])


def unpacked(response: httpx.Response) -> Any:
    """The content of an answer in msgpack."""
    assert response.headers["content-type"] == "application/msgpack"
    return ormsgpack.unpackb(response.content)


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()
