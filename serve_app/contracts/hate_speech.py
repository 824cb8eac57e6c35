"""The job contract of the hate-speech service, also behind a SingularityNET daemon."""

import math
from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace
from typing import Any

from deployments.deadline import within
from deployments.errors import AntiphonError, InternalError, InvalidRequest
from deployments.text_classification.types import ClassificationRequest, TextScores
from serve_app.concurrency import run_off_loop
from serve_app.config.tasks import ModelTask
from serve_app.contracts.contract import Item, JobContext, JobInput, JobResult, Notice
from serve_app.contracts.options import model_name
from serve_app.fields.form_values import FALSE, TRUE
from serve_app.request_id import request_id
from serve_app.tasks.classification.answers import as_object

KEYS = ("prompt", "text")
MANY_TEXTS = 100


class HateSpeechContract:
    """Scores of a text, or of every text of a list: the objects of ``POST /v1/classify``.

    The text is ``prompt`` or ``text``. With ``wrap`` the object is the ``outputs`` of another, as in the service's
    repository.
    """

    def __init__(self) -> None:
        self.name = "hate-speech"
        self.task: ModelTask | None = "classification"

    def accepts(self, job_input: JobInput) -> bool:
        """Whether the input has ``prompt`` or ``text``."""
        return any(key in job_input for key in KEYS)

    def streams(self, job_input: JobInput) -> bool:
        """Never: the output is one object, or one list."""
        return False

    async def run(self, job_input: JobInput, context: JobContext) -> AsyncGenerator[Item]:
        """Classify. Raises what the gateway raises, and InvalidRequest."""
        texts, param = _texts(job_input)
        wrap = _flag(job_input.get("wrap"), "wrap")
        question = ClassificationRequest.of(
            texts,
            param=param,
            model=model_name(job_input.get("model"), context),
            request_id=request_id(context.job_id),
        )
        async with within(context.deadline):
            scores = await context.gateway.classify(replace(question, deadline=context.deadline))
        large = len(scores) >= MANY_TEXTS
        objects = await run_off_loop(
            lambda: [_checked(t, s) for t, s in zip(question.texts, scores, strict=True)], large=large
        )
        output: Any = objects[0] if isinstance(texts, str) else objects
        yield JobResult({"outputs": output} if wrap else output)

    def failed(self, job_input: JobInput, error: AntiphonError, context: JobContext) -> Iterable[Notice]:
        """No webhooks."""
        return ()


def _texts(job_input: JobInput) -> tuple[object, str]:
    """The texts and the name of their key. Of two keys that hold the same one is enough.

    A daemon leaves out what is empty, so an absent text is an empty one. Raises InvalidRequest.
    """
    sent = [key for key in KEYS if job_input.get(key) not in (None, "", [])]
    if len(sent) > 1 and job_input[sent[0]] != job_input[sent[1]]:
        raise InvalidRequest("`prompt` and `text` mean the same; send only one of them.", param=sent[1])
    if sent:
        return job_input[sent[0]], sent[0]
    raise InvalidRequest(
        '`prompt` is missing or empty; send a text, such as {"input": {"prompt": "a text"}}.', param="prompt"
    )


def _flag(value: object, name: str) -> bool:
    """A truth, also as text or number, which is what protocols make of it. Raises InvalidRequest."""
    if value is None or isinstance(value, bool):
        return bool(value)
    word = "1" if value == 1 else "0" if value == 0 else value.strip().lower() if isinstance(value, str) else ""
    if word in TRUE | FALSE:
        return word in TRUE
    raise InvalidRequest(f"`{name}` has to be true or false.", param=name)


def _checked(text: str, scores: TextScores) -> dict[str, Any]:
    if not all(math.isfinite(score) for score in scores.scores.values()):
        raise InternalError("The model's scores are no numbers.")
    return as_object(text, scores)
