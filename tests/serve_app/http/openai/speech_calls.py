"""Calls of ``POST /v1/audio/speech``, and what comes back."""

import json
from typing import Any

import httpx

from media.decode import RawPcm
from media.encode import AudioFormat
from tests.media.sound import Signal, decoded
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.stub import ask

SPEECH = "/v1/audio/speech"
TEXT = "The birch canoe slid on the smooth planks."
SECONDS = len(TEXT) * 0.05


async def speak(gateway: SpeakingGateway | None = None, path: str = SPEECH, **body: Any) -> httpx.Response:
    return await ask(gateway or SpeakingGateway(), {"input": TEXT, **body}, path)


def events_of(text: str) -> list[Any]:
    """The data of server-sent events."""
    blocks = text.removesuffix("\n\n").split("\n\n")
    return [json.loads(b[6:]) if b != "data: [DONE]" else b[6:] for b in blocks if b.startswith("data: ")]


def played(data: bytes, kind: AudioFormat, rate: int) -> Signal:
    return decoded(data, rate, raw=RawPcm(rate) if kind == "pcm" else None)
