"""Settings of the job service. The database's password comes from the environment (``ANTIPHON_DATABASE_URL``)."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from serve_app.config.settings import Network, Settings

EndpointName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
ContractName = Literal["ivrit", "ivrit-legacy", "faster-whisper", "hate-speech", "fish-speech", "openai"]


def _without_password(url: str) -> str:
    if urlsplit(url).password:
        raise ValueError("has a password; put the whole URL into ANTIPHON_DATABASE_URL instead")
    return url


DatabaseUrl = Annotated[str, AfterValidator(_without_password)]


class EndpointConfig(Settings):
    """An endpoint under a name of its own, for example the id that it has at RunPod.

    ``model`` is an id or alias. ``contract`` None goes by the shape of each job's input.
    ``http_errors`` answers ``runsync`` with the status of the failure instead of 200, for proxies that look at
    nothing else.
    """

    model: str
    contract: ContractName | None = None
    http_errors: bool = False


class WebhooksConfig(Settings):
    """How webhooks are delivered. ``completion`` is the shape of ivrit's completed webhook: ``segments`` as its
    documentation says, ``text`` as its code does. ``timestamp`` fills in what ivrit leaves null.
    """

    completion: Literal["segments", "text"] = "segments"
    timestamp: bool = False
    timeout_s: float = Field(10, gt=0, le=60)
    attempts: int = Field(10, ge=1, le=20, description="deliveries tried before a webhook is given up")
    concurrency: int = Field(32, ge=1, le=1_000)
    keep_s: float = Field(7 * 86_400, ge=0, description="how long delivered and given up ones can be replayed")
    allowed_networks: tuple[Network, ...] = Field((), description="private networks (CIDR) that may be reached")


class PublishConfig(Settings):
    """What becomes of results that are larger than ``over_bytes``: the link of an upload, where jobs or the
    environment (``UPLOAD_MODE``, ``BUCKET_*``) say where to; else they stay inline.
    """

    over_bytes: int = Field(1024**2, ge=0)
    link_s: int = Field(7 * 86_400, ge=60, le=7 * 86_400, description="how long a link works")
    max_bytes: int = Field(1024**3, ge=1)


class JobsConfig(Settings):
    """The job service: where its rows live, how long, and how much is done at once."""

    folder: str = Field(".antiphon/jobs", description="SQLite's file, and inputs and outputs too big for a row")
    database: DatabaseUrl | None = Field(
        None, description="SQLAlchemy URL without a password; SQLite in the folder if none"
    )
    payloads: str | None = Field(None, description="another folder, or s3://bucket/prefix, for what is too big")
    inline_bytes: int = Field(64 * 1024, ge=1024, description="what is bigger is kept beside the row")
    concurrency: int = Field(1_024, ge=1, le=10_000, description="jobs that one runner does at once")
    queue_jobs: int = Field(10_000, ge=1, description="waiting jobs of one endpoint; more are answered 429")
    attempts: int = Field(3, ge=1, le=20, description="starts of a job, before it has failed by our own fault")
    lease_s: float = Field(15, ge=1, le=600, description="after which the jobs of a dead runner start again")
    keep_s: float = Field(1_800, ge=1, description="how long the result of a job is kept")
    keep_sync_s: float = Field(60, ge=1, description="the same for runsync")
    run_bytes: int = Field(10 * 1024**2, ge=1024, description="largest body of a run")
    runsync_bytes: int = Field(20 * 1024**2, ge=1024, description="largest body of a runsync")
    rate_limits: bool = Field(True, description="whether RunPod's rates per endpoint hold")
    endpoints: dict[EndpointName, EndpointConfig] = Field(default_factory=dict)
    webhooks: WebhooksConfig = WebhooksConfig()
    publish: PublishConfig = PublishConfig()
