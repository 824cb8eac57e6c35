"""The Ray Serve deployment of a text classifier: admission, limits, answers. Everything else is below it."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import serve

from deployments.admission import Admission
from deployments.batching.scheduler import Scheduler
from deployments.deadline import within
from deployments.errors import ModelUnavailable
from deployments.model_host import ModelFamily
from deployments.replica import Replica
from deployments.text_classification.config import TextClassificationConfig
from deployments.text_classification.types import ClassificationRequest, TextScores

if TYPE_CHECKING:
    from deployments.text_classification.engine import ClassifierEngine, EncodedText

MODEL_FILES = (
    "config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "vocab.json", "vocab.txt", "merges.txt", "*.model",
)  # fmt: skip
PORTION_TEXTS, PORTION_CHARS = 64, 16_384  # what a thread encodes at once
CHARACTERS_PER_TOKEN, USUAL_MAX_TOKENS = 4, 512  # what a text is taken to cost until it has been tokenised
USUAL_TOKENS_PER_S = 1_000.0  # of a base-size model on a core or two, until the model shows its own speed


class TextClassificationReplica(Replica["ClassifierEngine", Scheduler]):
    """Classifies texts. Its threads encode them.

    ``required_labels`` are those that somebody relies on; a model without them is refused.
    """

    def __init__(
        self,
        name: str,
        config: TextClassificationConfig,
        states: Any = None,
        required_labels: Sequence[str] = (),
    ) -> None:
        self._config = config
        self._required_labels = required_labels
        family = ModelFamily(MODEL_FILES, self._engine, self._scheduler, lambda engine: {"labels": engine.labels})
        admission = Admission(config.queue_tokens, config.queue_requests, usual_rate=USUAL_TOKENS_PER_S)
        super().__init__(name, config, family, states, admission, config.encoders)

    async def classify(self, request: ClassificationRequest) -> tuple[TextScores, ...]:
        """Scores of every text, in their order.

        Raises InvalidRequest or PayloadTooLarge for what is beyond the limits, Overloaded at once if the queue is
        full, DeadlineExceeded, ModelUnavailable.
        """
        request.check_size(self._config.max_texts, self._config.max_chars)
        return await self._classified(request)

    async def label_texts(self, texts: Sequence[str], deadline: float | None = None) -> list[dict[str, float]]:
        """Scores by label for replicas of other families, in plain types. Limits for clients do not count here."""
        classified = await self._classified(ClassificationRequest(tuple(texts), None, deadline))
        return [dict(each.scores) for each in classified]

    async def _classified(self, request: ClassificationRequest) -> tuple[TextScores, ...]:
        most = self._config.max_tokens or USUAL_MAX_TOKENS
        expected = sum(min(most, len(text) // CHARACTERS_PER_TOKEN + 2) for text in request.texts)
        with self._admission.admit(expected) as ticket:
            async with within(request.deadline), self._models.use(request.model) as model:
                encoded = await self._encoded(model.engine, request.texts)
                ticket.resize(sum(len(text.ids) for text in encoded))
                rows = await self._run(model.scheduler, encoded)
                ticket.advance(sum(len(text.ids) for text in encoded))
            labels = model.engine.labels
            return tuple(
                TextScores(dict(zip(labels, row, strict=True)), len(text.ids), text.truncated)
                for row, text in zip(rows, encoded, strict=True)
            )

    async def _encoded(self, engine: "ClassifierEngine", texts: Sequence[str]) -> "list[EncodedText]":
        """The texts' tokens. A thread takes a few texts at a time, so that requests take turns and one that leaves
        keeps no thread.
        """
        loop = asyncio.get_running_loop()
        encoded: list[EncodedText] = []
        for portion in portions(texts):
            encoded += await loop.run_in_executor(self._threads, engine.encode, portion)
        return encoded

    async def _run(self, scheduler: Scheduler, encoded: "Sequence[EncodedText]") -> list[tuple[float, ...]]:
        """Probabilities of every text. They are queued by length, so that neighbours may share a batch."""
        order = sorted(range(len(encoded)), key=lambda index: encoded[index].key)
        owner = object()
        with scheduler.request(owner):
            rows = await scheduler.run_all(owner, [encoded[index] for index in order])
        by_index = dict(zip(order, rows, strict=True))
        return [by_index[index] for index in range(len(encoded))]

    def _engine(self, folder: Path) -> "ClassifierEngine":
        from deployments.text_classification.engine import ClassifierEngine  # the graph is built without PyTorch

        engine = ClassifierEngine(folder, self._config)
        missing = [label for label in self._required_labels if label not in engine.labels]
        if missing:
            raise ModelUnavailable(
                f"`moderation` names the labels {', '.join(missing)}; the model has {', '.join(engine.labels)}."
            )
        return engine

    def _scheduler(self, engine: "ClassifierEngine") -> Scheduler:
        settings = self._config.engine

        def most_texts(length: int) -> int:
            return min(settings.max_batch_texts, engine.max_batch_tokens // length)

        return Scheduler(
            engine, workers=settings.workers, max_batch=most_texts, max_wait_s=settings.max_wait_ms / 1000
        )


def portions(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in order, several at a time if they are short."""
    begin = size = 0
    for index, text in enumerate(texts):
        if index > begin and (size + len(text) > PORTION_CHARS or index - begin == PORTION_TEXTS):
            yield texts[begin:index]
            begin, size = index, 0
        size += len(text)
    yield texts[begin:]


@serve.deployment(max_surge_percent=100, health_check_timeout_s=30)
class TextClassification(TextClassificationReplica):
    """``TextClassificationReplica`` as a deployment; its options come from the YAML's ``deployments:``."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self,
        name: str,
        config: TextClassificationConfig,
        states: Any = None,
        required_labels: Sequence[str] = (),
    ) -> None:
        super().__init__(name, config, states, required_labels)
        await self._start_in_serve()
