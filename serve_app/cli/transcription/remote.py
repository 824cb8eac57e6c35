"""Transcription by a running server."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

import httpx

from deployments.errors import ModelUnavailable
from deployments.whisper.types import Segment, Task
from serve_app.cli.servers import CONNECT_S, ServerClient, check, messages
from serve_app.cli.transcription.inputs import AudioInput
from serve_app.cli.transcription.progress import ProgressBar
from serve_app.cli.transcription.results import GrowingTranscript
from serve_app.tasks.transcription.fields import TRANSCRIPTION_PATHS

DONE = ("text", "languages", "channels", "classification", "usage")  # what the format json shows, in its order


class RemoteTranscriber(ServerClient):
    """Sends inputs to a server."""

    def __init__(self, server: str, model: str | None, bar: ProgressBar) -> None:
        super().__init__(server, model, bar)
        self._seconds = bar

    async def transcribe(
        self, index: int, audio: AudioInput, task: Task, fields: Mapping[str, str], transcript: GrowingTranscript
    ) -> None:
        """Fill the transcript. Raises AntiphonError with a sentence."""
        await self._patiently(lambda: self._attempt(index, audio, task, fields, transcript))

    async def _attempt(
        self, index: int, audio: AudioInput, task: Task, fields: Mapping[str, str], transcript: GrowingTranscript
    ) -> None:
        # Only the whole answer has everything of verbose_json; all else is made of what the stream brings.
        whole = transcript.kind == "verbose_json"
        data = {
            **self._model,
            **fields,
            "response_format": "verbose_json",
            **({} if whole else {"stream": "true"}),
        }
        with contextlib.ExitStack() as stack:
            form: dict[str, Any] = {"data": data}
            if audio.path is None:
                data["url"] = audio.url or ""
            else:
                form["files"] = {"file": (audio.path.name, stack.enter_context(audio.path.open("rb")))}
            if whole:
                form["timeout"] = httpx.Timeout(None, connect=CONNECT_S)
            async with self._client.stream("POST", TRANSCRIPTION_PATHS[task], **form) as response:
                await check(response)
                if whole:
                    transcript.document = json.loads(await response.aread())
                    return
                async for message in messages(response):
                    if message["type"] == "transcript.text.delta":
                        transcript.add(_segment(message["segment"]))
                        self._seconds.update(index, transcript.segments[-1].end)
                    elif message["type"] == "transcript.text.done":
                        transcript.document = {key: message[key] for key in DONE if key in message}
                        return
        raise ModelUnavailable("The server ended the stream before the transcript was complete.")


def _segment(sent: Mapping[str, Any]) -> Segment:
    """A segment as it left the model; what no format shows stays empty."""
    names = ("id", "seek", "start", "end", "text", "temperature", "avg_logprob", "compression_ratio")
    return Segment(
        **{name: sent[name] for name in names},
        tokens=tuple(sent["tokens"]),
        no_speech_prob=sent["no_speech_prob"],
        language="",
        channel=sent.get("channel"),
    )
