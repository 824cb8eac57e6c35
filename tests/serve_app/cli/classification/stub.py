"""A classifier that is quick to compute by hand, behind the real routes, and a user who types ``classify``."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from click.testing import Result

from deployments.errors import InvalidRequest, PayloadTooLarge
from deployments.text_classification.types import ClassificationRequest, TextScores
from serve_app.config.models import TextClassificationEntry
from serve_app.gateway.model_index import ModelIndex
from serve_app.tasks.classification.answers import as_object
from tests.serve_app.cli.terminal import ROOT, antiphon
from tests.serve_app.http.server import serving
from tests.serve_app.http.stub import MODELS, StubGateway, app_of

LONGEST = 1_000
Step = BaseException | asyncio.Event | asyncio.Barrier | float
MODEL = TextClassificationEntry(
    id="tweets", family="text_classification", config={"source": "samples/classifier/model"}
)


def scores(text: str) -> TextScores:
    """Long texts are neutral, short ones are spam."""
    neutral = len(text) / LONGEST
    return TextScores({"neutral": neutral, "spam": 1 - neutral}, len(text), truncated=len(text) > 100)


def answers(texts: Sequence[str]) -> list[dict[str, Any]]:
    """What is to be printed for texts."""
    return [as_object(text, scores(text)) for text in texts]


class Classifying(StubGateway):
    """Refuses what is longer than LONGEST. ``script`` says what the first requests meet: an exception is raised;
    events, seconds, and as many requests as a barrier has places are waited for.
    """

    def __init__(self, *script: Step, max_texts: int = 128) -> None:
        super().__init__()
        self.models = ModelIndex((MODELS[0], MODEL))
        self.steps = list(script)
        self.max_texts = max_texts
        self.asked: list[ClassificationRequest] = []
        self.left = 0

    async def classify(self, request: ClassificationRequest) -> tuple[TextScores, ...]:
        self.models.resolve("classification", request.model)
        self.asked.append(request)
        step = self.steps.pop(0) if self.steps else None
        self.active += 1
        self.most_active = max(self.active, self.most_active)
        try:
            match step:
                case BaseException():
                    raise step
                case asyncio.Event() | asyncio.Barrier():
                    await asyncio.wait_for(step.wait(), 20)
                case float():
                    await asyncio.sleep(step)
        except asyncio.CancelledError:
            self.left += 1
            raise
        finally:
            self.active -= 1
        if len(request.texts) > self.max_texts:
            raise InvalidRequest(f"{len(request.texts)} texts are too many.", param="input")
        if any(len(text) > LONGEST for text in request.texts):
            raise PayloadTooLarge("The text is too long; cut it.", param="input")
        return tuple(map(scores, request.texts))


@contextlib.contextmanager
def server(*script: Step, max_texts: int = 128, **limits: Any) -> Iterator[tuple[Classifying, str]]:
    """A running server that plays the script."""
    gateway = Classifying(*script, max_texts=max_texts)
    with serving(app_of(gateway, **limits)) as url:
        yield gateway, url


def classify(*arguments: str | Path, **options: Any) -> Result:
    """``antiphon classify``."""
    return antiphon("classify", *arguments, **options)


def printed(output: str) -> list[dict[str, Any]]:
    """The objects of JSON Lines."""
    assert output == "" or output.endswith("\n")
    return [json.loads(line) for line in output.split("\n")[:-1]]


def start(*arguments: str | Path, **options: Any) -> "subprocess.Popen[bytes]":
    """``antiphon classify`` as a program of its own."""
    command = [sys.executable, "-c", "from serve_app.cli import main; main()", "classify", *map(str, arguments)]
    settings: dict[str, Any] = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, **settings)


def read_some(process: "subprocess.Popen[bytes]") -> bytes:
    """What the program prints next; b"" at its end."""
    assert process.stdout is not None
    return os.read(process.stdout.fileno(), 1_000_000)
