"""A stub gateway of all families: it plays scripts, scores texts and hums."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from deployments.fish_speech.types import SpeechEvent, SpeechRequest, Voice
from serve_app.fields.audio import Upload
from serve_app.gateway.model_index import ModelIndex
from tests.serve_app.http.speech_stub import SPEECH_MODEL, StubSpeech
from tests.serve_app.http.stub import MODELS, StubGateway


class SpeakingGateway(StubSpeech, StubGateway):
    """``StubGateway`` with ``StubSpeech``; models have to be among those that are served. ``speaking`` counts the
    streams that are open.
    """

    def __init__(self, **hindrances: Any) -> None:
        StubGateway.__init__(self)
        StubSpeech.__init__(self, **hindrances)
        self.models = ModelIndex((*MODELS, SPEECH_MODEL))
        self.speaking = 0

    async def speak(
        self, request: SpeechRequest, references: Sequence[Upload] = ()
    ) -> AsyncGenerator[SpeechEvent]:
        self.models.resolve("speech", request.model)
        self.speaking += 1
        try:
            async with aclosing(super().speak(request, references)) as events:
                async for event in events:
                    yield event
        finally:
            self.speaking -= 1

    async def voices(self, model: str | None = None) -> list[Voice]:
        self.models.resolve("speech", model)
        return await super().voices(model)

    async def _hinder(self, chunk: int) -> None:
        if isinstance(self.hindrances, dict):  # others are those of texts
            await super()._hinder(chunk)

    @property
    def spoken(self) -> SpeechRequest:
        """The only request to speak so far."""
        (request,) = self.speech_requests
        return request
