"""The job contract of RunPod's OpenAI route: a job that is a request to this server's own HTTP API."""

import codecs
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any

from starlette.datastructures import Headers

from deployments.deadline import until
from deployments.errors import (
    AntiphonError,
    ClientError,
    DeadlineExceeded,
    InternalError,
    ModelUnavailable,
    Overloaded,
)
from serve_app.concurrency import LARGE_BYTES, run_off_loop
from serve_app.config.tasks import ModelTask
from serve_app.contracts.contract import Attachment, Chunk, Item, JobContext, JobInput, JobResult, Notice
from serve_app.contracts.openai.in_process import InProcessAnswer, answer_to
from serve_app.contracts.openai.request import request_of, wants_stream
from serve_app.failures import UNKNOWN_RETRY_S, status_phrase

EVENT_STREAM = "text/event-stream"
TEXTS = ("text/", "application/x-subrip")
END_OF_EVENT = "\n\n"
STATUSES = {
    "invalid_request_error": 400,
    "rate_limit_error": 429,
    "service_unavailable_error": 503,
    "timeout_error": 504,
}


class OpenAiRefusal(AntiphonError):
    """An answer that is an error. The message is the JSON of its body (a sentence if it has none), the status the
    answer's.

    What others may want to try again is raised as Overloaded, ModelUnavailable or DeadlineExceeded instead.
    """

    code = "openai_refusal"

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.__dict__["status"] = status  # of the answer, where others have that of their class


class OpenAiMistake(OpenAiRefusal, ClientError):
    """The same, where the request has to change."""


class OpenAiContract:
    """Any request to a path below ``/v1``: ``openai_route``, ``openai_input`` (its body), ``openai_method``.

    The output is the JSON of the answer, the text of an answer that is text, or an object with ``content_type``
    and ``data`` (base64, or the link of an upload); that of speech says whether it was ``cut``, and has
    ``judged_pieces`` and ``ignored_fields`` if there are any. If the body asks for server-sent events, it is the
    list of them, as they are.

    A route that takes a form gets the body's fields as one; its ``file`` is an object with ``data`` (base64),
    ``name`` and ``content_type``, or with a ``url``.
    """

    def __init__(self) -> None:
        self.name = "openai"
        self.task: ModelTask | None = None

    def accepts(self, job_input: JobInput) -> bool:
        """Whether the input has ``openai_route``."""
        return "openai_route" in job_input

    def streams(self, job_input: JobInput) -> bool:
        """Whether the body asks for server-sent events."""
        return wants_stream(job_input)

    async def run(self, job_input: JobInput, context: JobContext) -> AsyncGenerator[Item]:
        """Do the request. Raises OpenAiRefusal, Overloaded, ModelUnavailable, DeadlineExceeded."""
        async with aclosing(until(context.deadline, self._items(job_input, context))) as items:
            async for item in items:
                yield item

    def failed(self, job_input: JobInput, error: AntiphonError, context: JobContext) -> Iterable[Notice]:
        """No webhooks."""
        return ()

    async def _items(self, job_input: JobInput, context: JobContext) -> AsyncGenerator[Item]:
        request = await request_of(job_input, context)
        async with answer_to(request, context.http) as answer:
            if not 200 <= answer.status < 300:
                raise _refusal(await answer.read(), answer.status, answer.headers)
            if not self.streams(job_input):
                yield await _result(answer)
                return
            async with aclosing(_texts(answer)) as texts:
                count = 0
                async for text in texts:
                    yield Chunk(text, float(count), float(count + 1))
                    count += 1


def _kind(answer: InProcessAnswer) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _result(answer: InProcessAnswer) -> JobResult:
    kind, body = _kind(answer), await answer.read()
    if not body:
        return JobResult(None)
    large = len(body) > LARGE_BYTES
    if kind.endswith(("/json", "+json")):
        return JobResult(await run_off_loop(lambda: json.loads(body), large=large))
    if kind.startswith(TEXTS):
        return JobResult(body.decode(errors="replace"))
    value: dict[str, Any] = {"content_type": kind}
    if (cut := answer.headers.get("x-cut")) is not None:
        value["cut"] = cut == "true"
    if (pieces := answer.headers.get("x-judged-pieces")) is not None:
        value["judged_pieces"] = int(pieces)
    if ignored := answer.headers.get("x-ignored-fields"):
        value["ignored_fields"] = ignored.split(", ")
    return JobResult(value, Attachment("data", body, kind))


async def _texts(answer: InProcessAnswer) -> AsyncGenerator[str]:
    """An answer's text: events of a stream, whole ones; anything else at once. Comments are left out.

    Raises what the last event says that went wrong.
    """
    if _kind(answer) != EVENT_STREAM:
        yield (await answer.read()).decode(errors="replace")
        return
    async for text in _events(answer):
        if text.startswith('data: {"error":'):
            raise _refusal(text.removeprefix("data: ").strip().encode(), None, answer.headers)
        if not text.startswith(":"):
            yield text


async def _events(answer: InProcessAnswer) -> AsyncIterator[str]:
    decoder, waiting = codecs.getincrementaldecoder("utf-8")("replace"), ""
    async for part in answer.parts:
        *events, waiting = (waiting + decoder.decode(part)).split(END_OF_EVENT)
        for event in events:
            yield event + END_OF_EVENT
    if waiting:
        yield waiting


def _refusal(body: bytes, status: int | None, headers: Headers) -> AntiphonError:
    message = body.decode(errors="replace").strip()
    if status is None:
        status = _status_of(message)
    message = message or f"The route answered {status} {status_phrase(status)}."
    match status:
        case 429:
            wait = headers.get("retry-after", "")
            return Overloaded(message, retry_after_s=float(wait) if wait.isdecimal() else UNKNOWN_RETRY_S)
        case 503:
            return ModelUnavailable(message)
        case 504:
            return DeadlineExceeded(message)
    return OpenAiRefusal(message, status) if status >= 500 else OpenAiMistake(message, status)


def _status_of(message: str) -> int:
    """The status that an error in a stream would have had in front of it."""
    try:
        return STATUSES.get(json.loads(message)["error"]["type"], InternalError.status)
    except (KeyError, TypeError, ValueError):
        return InternalError.status
