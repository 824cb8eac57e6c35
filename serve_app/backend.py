"""What the entrances need from the gateway, so that neither they nor their tests import Ray."""

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from deployments.model_state import ModelState
from deployments.text_classification.types import ClassificationRequest, TextScores
from deployments.whisper.types import TranscriptionEvent, TranscriptionRequest
from serve_app.models import ModelIndex
from serve_app.upload import Upload


class Backend(Protocol):
    """The gateway as its entrances see it."""

    models: ModelIndex

    def transcribe(
        self, request: TranscriptionRequest, upload: Upload | None = None
    ) -> AsyncGenerator[TranscriptionEvent, None]:
        """Events of one transcription. Raises any ``AntiphonError``; closing the generator stops the work."""
        ...

    async def classify(self, request: ClassificationRequest) -> tuple[TextScores, ...]:
        """Scores of every text, in order. Raises any ``AntiphonError``; cancelling it stops the work."""
        ...

    async def states(self) -> Mapping[str, ModelState]:
        """What every model is doing, by id."""
        ...
