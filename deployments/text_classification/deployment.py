"""The Ray Serve deployment of a text classifier: admission, limits, answers. Everything else is below it."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ray import serve

from deployments.admission import Admission, Ticket
from deployments.batching.scheduler import Scheduler
from deployments.deadline import within
from deployments.errors import ModelUnavailable
from deployments.model_host import ModelFamily
from deployments.replica import Replica
from deployments.text_classification.config import TextClassificationConfig
from deployments.text_classification.reading import Reader, Reading, Whole
from deployments.text_classification.types import ClassificationRequest, TextScores

if TYPE_CHECKING:
    from deployments.text_classification.engine import ClassifierEngine

Result = TypeVar("Result")

MODEL_FILES = (
    "config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "vocab.json", "vocab.txt", "merges.txt", "*.model",
)  # fmt: skip
RUN_AT_ONCE = 1_024  # inputs of one request in the queue
READ_TIMES = 3  # what is read in pieces: by windows twice, by sentences once
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
        whole: Whole = "if it is short" if request.in_pieces else "always"
        return await self._classified(request, whole, request.param)

    async def label_texts(self, texts: Sequence[str], deadline: float | None = None) -> list[dict[str, float]]:
        """Scores by label for replicas of other families, in plain types. Limits for clients do not count here.

        A text that is longer than the model's input is read in pieces.
        """
        classified = await self._classified(ClassificationRequest(tuple(texts), None, deadline), "if it fits")
        return [dict(each.scores) for each in classified]

    async def judge_text(self, text: str, deadline: float | None = None) -> tuple[dict[str, float], int, bool]:
        """The same of one text, read in pieces: the highest score of every label, the number of pieces, whether
        something of the text could not be read.
        """
        (scores,) = await self._classified(ClassificationRequest((text,), None, deadline), "if it is short")
        return dict(scores.scores), scores.pieces, scores.truncated

    async def _classified(
        self, request: ClassificationRequest, whole: Whole, param: str | None = None
    ) -> tuple[TextScores, ...]:
        with self._admission.admit(self._expected_tokens(request.texts, whole)) as ticket:
            async with within(request.deadline), self._models.use(request.model) as model:
                reader = Reader(model.engine, self._on_thread, self._config.max_pieces)
                reading = await reader.read(request.texts, whole, param)
                ticket.resize(reading.tokens)
                rows = await self._run(model.scheduler, reading, ticket)
            return reading.scores(model.engine.labels, rows)

    def _expected_tokens(self, texts: Sequence[str], whole: Whole) -> int:
        guesses = (len(text) // CHARACTERS_PER_TOKEN + 2 for text in texts)
        if whole == "always":
            most = self._config.max_tokens or USUAL_MAX_TOKENS
            return sum(min(most, guess) for guess in guesses)
        return sum(guess if guess <= self._config.piece_tokens else READ_TIMES * guess for guess in guesses)

    async def _on_thread(self, work: Callable[..., Result], *args: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)

    async def _run(self, scheduler: Scheduler, reading: Reading, ticket: Ticket) -> list[tuple[float, ...]]:
        """Probabilities of every input. They are queued by length, so that neighbours may share a batch."""
        inputs = reading.inputs
        order = sorted(range(len(inputs)), key=lambda index: inputs[index].key)
        rows: dict[int, tuple[float, ...]] = {}
        done = 0
        owner = object()
        with scheduler.request(owner):
            for begin in range(0, len(order), RUN_AT_ONCE):
                some = order[begin : begin + RUN_AT_ONCE]
                results = await scheduler.run_all(owner, [inputs[index] for index in some])
                rows.update(zip(some, results, strict=True))
                done += sum(len(inputs[index].ids) for index in some)
                ticket.advance(done)
        return [rows[index] for index in range(len(inputs))]

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
