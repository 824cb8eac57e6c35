"""A gateway that plays a script, and clients that need no server."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

import httpx
from starlette.types import ASGIApp

from deployments.model_state import ModelState
from deployments.text_classification.types import ClassificationRequest, TextScores
from deployments.whisper.sound.choice import HeardTrack
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
from serve_app.config.app import HttpConfig
from serve_app.config.models import ModerationConfig, TextClassificationEntry, WhisperEntry
from serve_app.fields.audio import Upload
from serve_app.gateway.model_index import ModelIndex
from serve_app.http.app import create_app
from serve_app.keys import ApiKeys

Hindrance = BaseException | asyncio.Event | float
Step = TranscriptionEvent | Hindrance
WAV = ("speech.wav", b"RIFF....WAVEfmt ", "audio/wav")
PATH = "/v1/audio/transcriptions"
CLASSIFY = "/v1/classify"
MODERATIONS = "/v1/moderations"

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
    TextClassificationEntry(
        id="sample-classifier",
        family="text_classification",
        aliases=("org/classifier",),
        config={"source": "samples/classifier/model"},
    ),
    TextClassificationEntry(
        id="guard",
        family="text_classification",
        moderation=ModerationConfig(
            categories={"hate": "hate/threatening", "spam": "advertising"}, thresholds={"advertising": 0.9}
        ),
        config={"source": "hf://acme/guard@0123456789abcdef0123456789abcdef01234567"},
    ),
    TextClassificationEntry(
        id="any-classifier", family="text_classification", config={"allow": ["acme/classify-*"]}
    ),
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
CALL_TRACK = HeardTrack(1, "opus", 48_000, 2, (0, 1), True, "en", "the call")
CALL_SEGMENTS = (
    segment(0, " Who is it?", 0.0, 2.0, channel=0),
    segment(1, " It is <me>.", 1.5, 3.0, channel=1),
    segment(2, " And you?", 3.0, 4.0, channel=1),
    segment(3, " I am, too.", 3.5, 5.0, channel=0),
)
CALL: tuple[Step, ...] = (
    Started("en", 0.98, 5.2, CALL_TRACK),
    *CALL_SEGMENTS[:3],
    Progress(2.0, 5.2, {0: 2.0, 1: 4.0}),
    CALL_SEGMENTS[3],
    Finished("en", 0.98, 5.2, 6.0, CALL_TRACK),
)
LABELS = ("hate", "abusing", "neutral", "spam")
LONGEST = 1_000
TEXT = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."


def scores_of(text: str) -> TextScores:
    """Scores of a text that names the label it wants; long texts are cut."""
    label = next((label for label in LABELS if label in text), "neutral")
    scores = {name: 0.85 if name == label else 0.05 for name in LABELS}
    return TextScores(scores, min(len(text), LONGEST), len(text) > LONGEST)


class StubGateway:
    """Plays ``script``: events are yielded, exceptions raised, asyncio events and seconds waited for.

    Texts get the scores of ``scores`` after ``hindrances``.
    """

    def __init__(self, script: Sequence[Step] = SCRIPT) -> None:
        self.models = ModelIndex(MODELS)
        self.script = script
        self.hindrances: Sequence[Hindrance] = ()
        self.scores: Callable[[str], TextScores] = scores_of
        self.requests: list[TranscriptionRequest] = []
        self.questions: list[ClassificationRequest] = []
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
                if isinstance(step, Hindrance):
                    await _meet(step)
                else:
                    yield step
        finally:
            self.active -= 1
            self.closed += 1

    async def classify(self, request: ClassificationRequest) -> tuple[TextScores, ...]:
        self.questions.append(request)
        self.models.resolve("classification", request.model)
        self.active += 1
        self.most_active = max(self.active, self.most_active)
        try:
            for hindrance in self.hindrances:
                await _meet(hindrance)
            return tuple(map(self.scores, request.texts))
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


async def _meet(hindrance: Hindrance) -> None:
    match hindrance:
        case BaseException():
            raise hindrance
        case asyncio.Event():
            await hindrance.wait()
        case float():
            await asyncio.sleep(hindrance)


def app_of(gateway: StubGateway, *, keys: Iterable[str] = (), **limits: Any) -> ASGIApp:
    return create_app(gateway, HttpConfig(**limits), ApiKeys(keys))


@contextlib.asynccontextmanager
async def client_of(app: ASGIApp, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """An in-memory client."""
    transport = httpx.ASGITransport(app, client=("198.51.100.7", 4321))
    async with httpx.AsyncClient(transport=transport, base_url="http://test", **options) as client:
        yield client


async def post(
    gateway: StubGateway, data: Mapping[str, Any] | None = None, files: Any = None, path: str = PATH, **limits: Any
) -> httpx.Response:
    """One transcription of a file by a fresh application."""
    async with client_of(app_of(gateway, **limits)) as client:
        return await client.post(path, data=data, files=files or {"file": WAV})


async def ask(
    gateway: StubGateway, body: Any, path: str = CLASSIFY, content_type: str = "application/json", **limits: Any
) -> httpx.Response:
    """One JSON request to a fresh application: a value to be written as JSON, or bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with client_of(app_of(gateway, **limits)) as client:
        return await client.post(path, content=content, headers={"content-type": content_type})


def message(response: httpx.Response) -> str:
    """The sentence of an error."""
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"].endswith(".")
    return str(error["message"])


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
