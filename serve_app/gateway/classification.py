"""Classification: texts in, their scores out."""

from dataclasses import replace

from deployments.text_classification.config import TextClassificationConfig
from deployments.text_classification.types import ClassificationRequest, TextScores
from serve_app.gateway.base import GatewayBase


class ClassificationGateway(GatewayBase):
    """What replicas of text classifiers do."""

    async def classify(self, request: ClassificationRequest) -> tuple[TextScores, ...]:
        """Scores of every text, in the texts' order. Raises any ``AntiphonError``. Cancelling stops the work."""
        resolved = self.models.resolve("classification", request.model)
        limits = resolved.entry.config
        assert isinstance(limits, TextClassificationConfig)
        request.check_size(limits.max_texts, limits.max_chars)  # before it is sent around
        deadline = self._deadline(request.deadline)
        request = replace(request, model=resolved.on_demand, deadline=deadline)
        scores: tuple[TextScores, ...] = await self._calls[resolved.entry.id].one("classify", deadline, request)
        return scores
