"""A gateway that plays a script, and clients that need no server."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import httpx
from starlette.types import ASGIApp, Message

from deployments.model_state import ModelState
from deployments.whisper.types import (
    Finished,
    Progress,
    Segment,
    Started,
    TokenLogprob,
    TranscriptionEvent,
    TranscriptionRequest,
    Word,
)
from serve_app.config import HttpConfig, WhisperEntry
from serve_app.http.app import create_app
from serve_app.http.keys import ApiKeys
from serve_app.models import ModelIndex
from serve_app.upload import Upload

Step = TranscriptionEvent | BaseException | asyncio.Event | float
WAV = ("speech.wav", b"RIFF....WAVEfmt ", "audio/wav")
PATH = "/v1/audio/transcriptions"

MODELS = (
    WhisperEntry(
        id="sample-asr",
        default=True,
        aliases=("org/some-name",),
        license="Apache-2.0",
        description="A small one.",
        config={"source": "samples/asr/model"},
    ),
    WhisperEntry(
        id="large", config={"source": "hf://acme/whisper-large@0123456789abcdef0123456789abcdef01234567"}
    ),
    WhisperEntry(id="any", config={"allow": ["acme/on-demand-*"]}),
)


def segment(number: int, text: str, start: float, end: float, **changes: Any) -> Segment:
    """A segment with its words and token log-probabilities."""
    words = text.split()
    width = (end - start) / max(1, len(words))
    values: dict[str, Any] = {
        "id": number + 1,
        "seek": int(start * 100),
        "start": start,
        "end": end,
        "text": text,
        "tokens": tuple(range(len(words))),
        "temperature": 0.0,
        "avg_logprob": -0.25,
        "compression_ratio": 1.25,
        "no_speech_prob": 0.01,
        "language": "en",
        "words": tuple(
            Word(f" {word}", start + i * width, start + (i + 1) * width, 0.9) for i, word in enumerate(words)
        ),
        "token_logprobs": tuple(TokenLogprob(f" {w}", -0.5, tuple(f" {w}".encode())) for w in words),
    }
    return Segment(**(values | changes))


SEGMENTS = (
    segment(0, " The birch canoe slid on the smooth planks.", 0.0, 2.5),
    segment(1, " Glue the sheet to the dark blue background.", 2.5, 5.04),
)
FINISHED = Finished("en", 0.98, 5.2, 5.0)
SCRIPT: tuple[Step, ...] = (
    Started("en", 0.98, 5.2),
    SEGMENTS[0],
    Progress(2.5, 5.2),
    SEGMENTS[1],
    FINISHED,
)
TEXT = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."


class StubBackend:
    """Plays ``script``: events are yielded, exceptions raised, asyncio events and seconds waited for."""

    def __init__(self, script: Sequence[Step] = SCRIPT) -> None:
        self.models = ModelIndex(MODELS)
        self.script = script
        self.requests: list[TranscriptionRequest] = []
        self.uploads: list[Upload | None] = []
        self.active = self.most_active = self.closed = 0
        self.found: dict[str, ModelState] = {entry.id: ModelState("ready") for entry in MODELS}

    async def transcribe(
        self, request: TranscriptionRequest, upload: Upload | None = None
    ) -> AsyncGenerator[TranscriptionEvent, None]:
        self.requests.append(request)
        self.uploads.append(upload)
        self.models.resolve("transcription", request.model)
        self.active += 1
        self.most_active = max(self.active, self.most_active)
        try:
            for step in self.script:
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
        finally:
            self.active -= 1
            self.closed += 1

    async def states(self) -> Mapping[str, ModelState]:
        return self.found

    @property
    def request(self) -> TranscriptionRequest:
        """The only request so far."""
        (request,) = self.requests
        return request


def app_of(backend: StubBackend, *, keys: Iterable[str] = (), **limits: Any) -> ASGIApp:
    return create_app(backend, HttpConfig(**limits), ApiKeys(keys))


@contextlib.asynccontextmanager
async def client_of(app: ASGIApp, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """An in-memory client."""
    transport = httpx.ASGITransport(app, client=("198.51.100.7", 4321))
    async with httpx.AsyncClient(transport=transport, base_url="http://test", **options) as client:
        yield client


async def post(
    backend: StubBackend, data: Mapping[str, Any] | None = None, files: Any = None, path: str = PATH, **limits: Any
) -> httpx.Response:
    """One transcription of a file by a fresh application."""
    async with client_of(app_of(backend, **limits)) as client:
        return await client.post(path, data=data, files=files or {"file": WAV})


class AsgiCall:
    """One request by hand, for what ordinary clients cannot do: to leave, or to see each message at once."""

    def __init__(
        self,
        app: ASGIApp,
        path: str = PATH,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        **scope: Any,
    ) -> None:
        self._app = app
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in (headers or {}).items()],
            "client": ("198.51.100.7", 4321),
            "server": ("test", 80),
            **scope,
        }
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None

    def start(self) -> "AsgiCall":
        async def run() -> None:
            await self._app(self.scope, self._incoming.get, self._outgoing.put)

        self.task = asyncio.create_task(run())
        return self

    def feed(self, body: bytes, *, more: bool = False) -> None:
        self._incoming.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def leave(self) -> None:
        self._incoming.put_nowait({"type": "http.disconnect"})

    async def sent(self) -> Message:
        """The next message of the application."""
        return await asyncio.wait_for(self._outgoing.get(), 5)

    async def finished(self) -> list[Message]:
        """Wait for the application to return; the messages nobody has taken."""
        assert self.task is not None
        await asyncio.wait_for(self.task, 5)
        return [self._outgoing.get_nowait() for _ in range(self._outgoing.qsize())]


def multipart(
    fields: Mapping[str, str], file: tuple[str, bytes, str] | None = WAV, boundary: str = "xXx"
) -> tuple[dict[str, str], bytes]:
    """Headers and body of a form."""
    request = httpx.Request(
        "POST",
        "http://test",
        data=fields,
        files={"file": file} if file else None,
        headers={"content-type": f"multipart/form-data; boundary={boundary}"},
    )
    return dict(request.headers), request.read()
