"""What a job contract is: the meaning of a job's ``input`` and of what comes back.

A contract turns the input into calls of the gateway and their results into items. It knows neither rows nor
runners, so the job service and the RunPod worker run the very same code.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.types import ASGIApp

from deployments.errors import AntiphonError
from serve_app.config.jobs import WebhooksConfig
from serve_app.config.tasks import ModelTask
from serve_app.gateway.gateway import Gateway

JobInput = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the output that a client may stream; JSON-safe.

    ``start`` and ``end`` say where in the job it lies (seconds of audio, or a count). When a job starts again
    after a crash, chunks that lie before the end of what is already stored in their ``lane`` are left out; a job
    that works on several files at once gives each a lane.
    """

    value: Any
    start: float
    end: float
    lane: int = 0


@dataclass(frozen=True, slots=True)
class JobProgress:
    """What ``status`` shows as output while the job is in progress; JSON-safe. Later ones replace earlier ones."""

    value: Any


@dataclass(frozen=True, slots=True)
class Attachment:
    """Bytes that are the ``key`` of an output: as base64, or as the link of an upload if they are big."""

    key: str
    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class JobResult:
    """The whole output; JSON-safe. At most one, and last. Without one the output is the list of the chunks.

    The value of one with an ``attachment`` is an object.
    """

    value: Any
    attachment: Attachment | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A webhook that the contract itself promises. ``payload`` is a JSON object.

    One ``with_end`` is sent together with the job's end, and not at all if the job ends otherwise.
    """

    url: str
    event: str
    payload: Mapping[str, Any]
    with_end: bool = False


Item = Chunk | JobProgress | JobResult | Notice


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a contract may use.

    ``model`` is that of the endpoint (None: the task's default) for inputs that name none; ``deadline`` is Unix
    time; ``http`` is the HTTP application without keys and limits, for inputs that are requests to it.
    ``upload_bytes`` is the largest file that may come inside an input.
    """

    job_id: str
    gateway: Gateway
    http: ASGIApp
    model: str | None = None
    deadline: float | None = None
    webhooks: WebhooksConfig = field(default_factory=WebhooksConfig)
    upload_bytes: int = 128 * 1024**2


class Contract(Protocol):
    """One kind of job."""

    name: str
    task: ModelTask | None  # None: any

    def accepts(self, job_input: JobInput) -> bool:
        """Whether an input of unknown kind has this contract's shape, right or wrong in its details."""
        ...

    def streams(self, job_input: JobInput) -> bool:
        """Whether the output is a list of chunks. Never raises, whatever the input."""
        ...

    def run(self, job_input: JobInput, context: JobContext) -> AsyncGenerator[Item]:
        """Do the work. Raises any ``AntiphonError``; closing the generator stops the work."""
        ...

    def failed(self, job_input: JobInput, error: AntiphonError, context: JobContext) -> Iterable[Notice]:
        """Webhooks about a failure. Never raises, whatever the input."""
        ...
