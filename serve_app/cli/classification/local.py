"""Classification in this process, with the gateway and objects of a server."""

from collections.abc import Sequence
from typing import Any

from deployments.text_classification.types import ClassificationRequest
from serve_app.cli.local import LocalClient, ModelKind
from serve_app.cli.progress import Bar
from serve_app.cli.servers import ModelOptions
from serve_app.config.models import TextClassificationEntry
from serve_app.tasks.classification.answers import as_object

NO_LIMIT = {"queue_tokens": 1_000_000_000, "queue_requests": 1_000_000, "max_texts": 100_000}
CLASSIFIER = ModelKind(TextClassificationEntry, "text_classification", NO_LIMIT)


class LocalClassifier(LocalClient):
    """Asks one model for the scores of texts."""

    def __init__(self, options: ModelOptions, bar: Bar) -> None:
        super().__init__(CLASSIFIER, options, bar)

    async def classify(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """An object per text. Raises AntiphonError with a sentence."""
        scores = await self.gateway.classify(ClassificationRequest(tuple(texts), self.model))
        return [as_object(text, each) for text, each in zip(texts, scores, strict=True)]
