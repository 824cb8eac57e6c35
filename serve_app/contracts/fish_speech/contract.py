"""The job contract of speech: the body of ``POST /v1/tts`` in, a file or its parts out."""

import base64
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

from pydantic import TypeAdapter, ValidationError

from deployments.errors import AntiphonError
from deployments.fish_speech.types import Started
from media.encode import CONTENT_TYPES
from serve_app.config.tasks import ModelTask
from serve_app.contracts.contract import Attachment, Chunk, Item, JobContext, JobInput, JobResult, Notice
from serve_app.contracts.fish_speech.chunks import file_parts
from serve_app.contracts.fish_speech.input import read_input
from serve_app.tasks.speech.encoding import Container, encode_file
from serve_app.tasks.speech.fish_fields import TtsBody

SHARED = frozenset({"text", "model"})  # with inputs that are not about speech
SHAPE = frozenset({"voice", *TtsBody.model_fields}) - SHARED
_TRUTH = TypeAdapter(bool)


class FishSpeechContract:
    """Speech of one text. The input has the fields of ``/v1/tts``; ``voice`` is another name of ``reference_id``.

    The output has the file as ``audio``. With ``streaming`` it is a list of objects whose ``audio_chunk`` make the
    file one after the other, with the seconds of speech from ``begin`` to ``end``. Both say ``format``,
    ``sample_rate`` and ``seed``, and, in the last chunk, whether a segment was ``cut`` (and ``judged_pieces``
    with a classifier).
    """

    def __init__(self) -> None:
        self.name = "fish-speech"
        self.task: ModelTask | None = "speech"

    def accepts(self, job_input: JobInput) -> bool:
        """Whether the input has ``text`` and any field that only speech has."""
        return "text" in job_input and not SHAPE.isdisjoint(job_input)

    def streams(self, job_input: JobInput) -> bool:
        """Whether the input asks for it."""
        try:
            return _TRUTH.validate_python(job_input.get("streaming", False))
        except ValidationError:  # ``run`` says what is wrong
            return False

    async def run(self, job_input: JobInput, context: JobContext) -> AsyncGenerator[Item]:
        """Speak. Raises what the gateway raises, and what ``read_input`` raises."""
        parsed = await read_input(job_input, context)
        container = parsed.container
        streams = self.streams(job_input)
        request = parsed.request.model_copy(update={"whole": not streams})
        events = context.gateway.speak(request, parsed.references)
        if not streams:
            file = await encode_file(events, container)
            facts = {"seconds": round(file.seconds, 6), "cut": file.finished.cut}
            value = {**_facts(container, file.started), **facts}
            if file.started.classification is not None:
                value["classification"] = dict(file.started.classification)
                value["judged_pieces"] = file.started.judged_pieces
            yield JobResult(value, Attachment("audio", file.data, CONTENT_TYPES[container.format]))
            return
        async with aclosing(file_parts(events, container)) as parts:
            async for part in parts:
                value = {
                    "audio_chunk": base64.b64encode(part.data).decode(),
                    "begin": round(part.begin, 6),
                    "end": round(part.end, 6),
                    **_facts(container, part.started),
                }
                if part.finished is not None:
                    value["cut"] = part.finished.cut
                    if part.started.judged_pieces:
                        value["judged_pieces"] = part.started.judged_pieces
                yield Chunk(value, part.begin, part.end)

    def failed(self, job_input: JobInput, error: AntiphonError, context: JobContext) -> Iterable[Notice]:
        """No webhooks."""
        return ()


def _facts(container: Container, started: Started) -> dict[str, Any]:
    return {"format": container.format, "sample_rate": started.sample_rate, "seed": started.seed}
