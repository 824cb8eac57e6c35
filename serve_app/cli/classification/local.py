"""Classification by this process itself, through the same replica and objects as on a server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deployments.text_classification.config import TextClassificationConfig
from deployments.text_classification.deployment import TextClassificationReplica
from deployments.text_classification.types import ClassificationRequest
from serve_app.cli import local as _in_process
from serve_app.cli.local import Choice, Kind, LocalModel, board
from serve_app.cli.progress import Bar
from serve_app.tasks.classification.answers import as_object

NO_LIMIT = {"queue_tokens": 1_000_000_000, "queue_requests": 1_000_000, "max_texts": 100_000}
CLASSIFIER = Kind("classification", TextClassificationConfig, NO_LIMIT)


def choose(model: str | None, config: Path | None) -> Choice[TextClassificationConfig]:
    """The model for ``--model``. Raises ModelNotFound, InvalidRequest, ConfigProblems."""
    return _in_process.choose(CLASSIFIER, model, config)


class LocalClassifier(LocalModel[TextClassificationReplica]):
    """One model, loaded on entering and unloaded on leaving."""

    def __init__(self, choice: Choice[TextClassificationConfig], bar: Bar) -> None:
        super().__init__(TextClassificationReplica(choice.name, choice.config, board(bar)))
        self._on_demand = choice.on_demand

    async def classify(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """An object per text. Raises AntiphonError with a sentence."""
        found = await self._replica.classify(ClassificationRequest(tuple(texts), self._on_demand))
        return [as_object(text, scores) for text, scores in zip(texts, found, strict=True)]
