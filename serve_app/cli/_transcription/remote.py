"""Transcription by a running server."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from deployments.errors import AntiphonError, ModelUnavailable, Overloaded
from deployments.whisper.types import Segment, Task
from serve_app.cli._transcription.inputs import AudioInput
from serve_app.cli._transcription.progress import ProgressBar
from serve_app.cli._transcription.results import Result

PATHS: dict[Task, str] = {"transcribe": "/v1/audio/transcriptions", "translate": "/v1/audio/translations"}
HEALTH_TIMEOUT_S = 0.5
SILENCE_S = 120.0  # a stream sends something every fifteen seconds
TRIES = 4
LONGEST_WAIT_S = 60.0


def answers(server: str) -> bool:
    """Whether an Antiphon is there, and quick to say so."""
    try:
        with httpx.Client(timeout=HEALTH_TIMEOUT_S, trust_env=not _is_loopback(server)) as client:
            return bool(client.get(f"{server}/healthz").json() == {"status": "ok"})
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return False


class RemoteTranscriber:
    """Sends inputs to a server. Leaving a call closes its connection, which stops the server's work on it."""

    def __init__(self, server: str, api_key: str | None, model: str | None, bar: ProgressBar) -> None:
        self._server, self._bar = server, bar
        self._model = {"model": model} if model else {}
        self._client = httpx.AsyncClient(
            base_url=server,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(SILENCE_S, write=None, pool=None, connect=10),
            trust_env=not _is_loopback(server),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def transcribe(
        self, index: int, audio: AudioInput, task: Task, fields: Mapping[str, str], result: Result
    ) -> None:
        """Fill the result. Raises AntiphonError with a sentence."""
        for attempt in range(1, TRIES + 1):
            try:
                await self._attempt(index, audio, task, fields, result)
                return
            except Overloaded as error:
                if attempt == TRIES or error.retry_after_s > LONGEST_WAIT_S:
                    raise
                self._bar.say("waiting for the server")
                await asyncio.sleep(error.retry_after_s)
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
                raise ModelUnavailable(f"The server at {self._server} cannot be reached: {reason}") from error

    async def _attempt(
        self, index: int, audio: AudioInput, task: Task, fields: Mapping[str, str], result: Result
    ) -> None:
        # Only the whole answer has everything of verbose_json; all else is made of what the stream brings.
        whole = result.kind == "verbose_json"
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
                form["timeout"] = httpx.Timeout(None, connect=10)
            async with self._client.stream("POST", PATHS[task], **form) as response:
                await _check(response)
                if whole:
                    result.document = json.loads(await response.aread())
                    return
                async for message in _messages(response):
                    if message["type"] == "transcript.text.delta":
                        result.add(_segment(message["segment"]))
                        self._bar.update(index, result.segments[-1].end)
                    elif message["type"] == "transcript.text.done":
                        result.document = {key: message[key] for key in ("text", "languages", "usage")}
                        return
        raise ModelUnavailable("The server ended the stream before the transcript was complete.")


async def _messages(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """Server-sent events. Raises AntiphonError if one of them is an error."""
    async for line in response.aiter_lines():
        if line.startswith("data: {"):
            message: dict[str, Any] = json.loads(line.removeprefix("data: "))
            if "error" in message:
                raise AntiphonError(message["error"]["message"])
            yield message


async def _check(response: httpx.Response) -> None:
    """Raise what a response that is not a transcript says."""
    if response.status_code == httpx.codes.OK:
        return
    try:
        message = str(json.loads(await response.aread())["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = f"The server answered {response.status_code} {response.reason_phrase}."
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        wait = response.headers.get("retry-after", "")
        raise Overloaded(message, retry_after_s=float(wait) if wait.isdecimal() else 1.0)
    raise AntiphonError(message)


def _segment(sent: Mapping[str, Any]) -> Segment:
    """A segment as it left the model; what no format shows stays empty."""
    names = ("id", "seek", "start", "end", "text", "temperature", "avg_logprob", "compression_ratio")
    return Segment(
        **{name: sent[name] for name in names},
        tokens=tuple(sent["tokens"]),
        no_speech_prob=sent["no_speech_prob"],
        language="",
    )


def _is_loopback(server: str) -> bool:
    """Whether no proxy could help to reach a server."""
    host = urlsplit(server).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
