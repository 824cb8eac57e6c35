"""Classifies batches of texts side by side and delivers the results in order."""

import asyncio
import json
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import click

from deployments.errors import AntiphonError, InvalidRequest, PayloadTooLarge
from serve_app.cli.classification.remote import RemoteClassifier
from serve_app.cli.classification.texts import STDIN, InputText, Item, Refusal, batches
from serve_app.cli.progress import Bar
from serve_app.cli.running import in_daemon_thread
from serve_app.cli.servers import ModelOptions, choose_client

AT_ONCE = 4

Outcome = dict[str, Any] | Refusal


class ClassificationClient(Protocol):
    """Scores batches of texts."""

    async def classify(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """An object per text, as ``POST /v1/classify`` answers. Raises AntiphonError with a sentence."""
        ...


OpenClassificationClient = Callable[[Bar], AbstractAsyncContextManager[ClassificationClient]]


def choose_classifier(options: ModelOptions) -> OpenClassificationClient:
    """A server, or this process where there is none. Raises UsageError."""

    def local(options: ModelOptions, bar: Bar) -> AbstractAsyncContextManager[ClassificationClient]:
        from serve_app.cli.classification.local import LocalClassifier  # imports Ray and PyTorch

        return LocalClassifier(options, bar)

    return choose_client(options, RemoteClassifier, local)


@dataclass(frozen=True, slots=True)
class ClassifyArguments:
    """What the command line asks for; an output of None is standard output."""

    names: Sequence[str]
    output: Path | None


class BatchFailed(Exception):
    """A batch, the first text of which stands in ``place``, got no answer."""

    def __init__(self, place: str, error: AntiphonError) -> None:
        super().__init__(place, error)
        self.place = place
        self.error = error


async def classify_all(open_classifier: OpenClassificationClient, arguments: ClassifyArguments) -> int:
    """Do it all and return the number of texts that failed; each has been reported in a sentence.

    Raises what concerns all texts, after what was answered before has been written, and says where to go on.
    """
    typed = STDIN in arguments.names and sys.stdin.isatty()
    failures = delivered = 0
    with Bar("texts", shown=sys.stderr.isatty() and not typed) as bar, JsonLinesWriter(arguments.output) as writer:
        async with (
            open_classifier(bar) as classifier,
            aclosing(_in_order(classifier, batches(arguments.names))) as results,
        ):
            try:
                async for outcomes in results:
                    failures += _deliver(outcomes, writer, bar)
                    bar.advance(len(outcomes))
                    delivered += len(outcomes)
            except BatchFailed as failed:
                if not delivered:
                    raise failed.error from failed
                target = ", with another --output" if arguments.output else ""
                hint = f"Resume at {failed.place}{target}; what comes before is answered."
                raise AntiphonError(f"{failed.error.message} {hint}") from failed
        writer.write(b"")  # also without any text there is a file
    return failures


async def _in_order(
    classifier: ClassificationClient, source: Iterator[list[Item]]
) -> AsyncGenerator[list[Outcome]]:
    """The outcomes of batches, of which AT_ONCE are read or classified and not yet delivered.

    Raises BatchFailed when it is the turn of a batch that got no answer.
    """
    running: deque[asyncio.Task[list[Outcome]]] = deque()
    reading: asyncio.Task[list[Item] | None] | None = None
    ended = False
    try:
        while True:
            if reading is None and not ended and len(running) < AT_ONCE:
                reading = asyncio.create_task(in_daemon_thread(lambda: next(source, None)))
            waited = {*([reading] if reading else []), *([running[0]] if running else [])}
            if not waited:
                return
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if reading is not None and reading.done():
                batch, reading = reading.result(), None
                ended = batch is None
                if batch is not None:
                    running.append(asyncio.create_task(_outcomes(classifier, batch)))
            if running and running[0].done():
                yield running.popleft().result()
    finally:
        left: list[asyncio.Task[Any]] = [*running, *([reading] if reading else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _outcomes(classifier: ClassificationClient, batch: Sequence[Item]) -> list[Outcome]:
    texts = [item for item in batch if isinstance(item, InputText)]
    try:
        answers = iter(await _answers(classifier, texts))
    except AntiphonError as error:
        raise BatchFailed(batch[0].place, error) from error
    return [item if isinstance(item, Refusal) else next(answers) for item in batch]


async def _answers(classifier: ClassificationClient, texts: Sequence[InputText]) -> list[Outcome]:
    """A refused batch is halved until it is clear which texts are refused."""
    if not texts:
        return []
    try:
        return [*await classifier.classify([each.text for each in texts])]
    except (InvalidRequest, PayloadTooLarge) as error:
        if error.param == "model":
            raise
        if len(texts) == 1:
            return [Refusal(texts[0].place, error.message)]
    half = len(texts) // 2
    return [*await _answers(classifier, texts[:half]), *await _answers(classifier, texts[half:])]


class JsonLinesWriter:
    """A file that is made when there is something to write, or standard output."""

    def __init__(self, target: Path | None) -> None:
        self._target = target
        self._file: BinaryIO | None = None
        self._stack = ExitStack()

    def __enter__(self) -> "JsonLinesWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write(self, data: bytes) -> None:
        """Write at once, so that whoever reads need not wait."""
        if self._target is None:
            click.echo(data, nl=False)
            return
        if self._file is None:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._stack.enter_context(self._target.open("wb"))
        self._file.write(data)
        self._file.flush()


def _deliver(outcomes: Sequence[Outcome], writer: JsonLinesWriter, bar: Bar) -> int:
    refusals = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    with bar.aside():
        writer.write(b"".join(_line(outcome) for outcome in outcomes if not isinstance(outcome, Refusal)))
        for refusal in refusals:
            place = f"{refusal.place}: " if refusal.place else ""
            click.echo(f"Error: {place}{refusal.reason}", err=True)
    return len(refusals)


def _line(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
