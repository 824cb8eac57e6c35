"""Speech by a running server."""

import base64
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from deployments.errors import ModelUnavailable
from serve_app.cli.servers import ServerClient, check, messages
from serve_app.cli.speech.sound import SpeechWriter, Spoken
from serve_app.tasks.speech.fields import SPEECH_PATH

WAV_HEADER = 44  # bytes
ASKED = {"response_format": "wav", "stream_format": "sse"}  # nothing is lost on the way, and errors come as events


class RemoteSpeaker(ServerClient):
    """Asks a server to speak, and takes the samples while they are made."""

    async def speak(self, body: Mapping[str, Any], writer: SpeechWriter) -> Spoken:
        """Give all samples to ``writer``. Raises AntiphonError with a sentence."""
        return await self._patiently(lambda: self._attempt({**self._model, **body, **ASKED}, writer))

    async def _attempt(self, body: Mapping[str, Any], writer: SpeechWriter) -> Spoken:
        wav = _WavStream(writer)
        async with self._client.stream("POST", SPEECH_PATH, json=body) as response:
            await check(response)
            async for message in messages(response):
                if message["type"] == "speech.audio.delta":
                    wav.add(base64.b64decode(message["audio"]))
                elif message["type"] == "speech.audio.done":
                    return Spoken(message["seed"], message["usage"]["output_tokens"], message.get("cut", False))
        raise ModelUnavailable("The server ended the stream before the speech was complete.")


class _WavStream:
    """Bytes of a wav file that the server has written: 16-bit mono behind a header of 44 bytes."""

    def __init__(self, writer: SpeechWriter) -> None:
        self._writer = writer
        self._rate: int | None = None
        self._pending = b""

    def add(self, data: bytes) -> None:
        self._pending += data
        if self._rate is None:
            if len(self._pending) < WAV_HEADER:
                return
            (self._rate,) = struct.unpack_from("<I", self._pending, 24)
            self._pending = self._pending[WAV_HEADER:]
        whole = len(self._pending) // 2 * 2
        samples = np.frombuffer(self._pending[:whole], "<i2").astype(np.float32) / np.float32(32_768)
        self._pending = self._pending[whole:]
        self._writer.add(samples, self._rate)
