"""The application's configuration: the ``args:`` of the Serve YAML, as one model that refuses unknown keys.

Secrets are not in it; they come from the environment (``ANTIPHON_API_KEYS``, ``HF_TOKEN``, AWS's own names).
"""

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from deployments.whisper.config import WhisperConfig

ModelId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Alias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}$")]
ModelTask = Literal["transcription"]
RESERVED_IDS = frozenset({"ingress", "states"})


def _network(value: str) -> str:
    ipaddress.ip_network(value)
    return value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelEntry(_Strict):
    """One served model: its id (also its deployment's name), the names it answers to, its settings.

    ``default`` makes it the answer to requests without a model and to the task's well-known alias.
    """

    id: ModelId
    family: Literal["whisper"] = "whisper"
    aliases: tuple[Alias, ...] = ()
    default: bool = False
    description: str = ""
    license: str | None = None
    config: WhisperConfig

    @property
    def task(self) -> ModelTask:
        """What the model does."""
        return "transcription"

    @model_validator(mode="after")
    def _names_a_source(self) -> "ModelEntry":
        if self.id in RESERVED_IDS:
            raise ValueError(f"the id {self.id!r} is taken by a deployment of the graph itself")
        if (self.config.source is None) == (not self.config.allow):
            raise ValueError("a model needs either `source` or a list of `allow` patterns")
        return self


class HttpConfig(_Strict):
    """Limits of the HTTP entrance."""

    upload_bytes: int = Field(128 * 1024**2, ge=1, description="largest request body")
    request_timeout_s: float = Field(3_600, gt=0, description="longest time a request may take")
    retries: int = Field(2, ge=0, le=10, description="tries again after the death of a replica")


class FetchConfig(_Strict):
    """Limits of URLs that requests name."""

    max_bytes: int = Field(2 * 1024**3, ge=1)
    timeout_s: float = Field(600, gt=0)
    max_redirects: int = Field(5, ge=0, le=20)
    allowed_networks: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        (), description="networks (CIDR) that may be reached although they are not public"
    )


class AppConfig(_Strict):
    """Everything about the graph that is not a deployment option."""

    models: tuple[ModelEntry, ...] = Field(min_length=1)
    http: HttpConfig = HttpConfig()
    fetch: FetchConfig = FetchConfig()

    @model_validator(mode="after")
    def _names_are_unique(self) -> "AppConfig":
        seen: set[str] = set()
        for name in (name for model in self.models for name in (model.id, *model.aliases)):
            if name in seen:
                raise ValueError(f"the model name {name!r} is given twice")
            seen.add(name)
        tasks = {model.task for model in self.models}
        for task in tasks:
            defaults = [model.id for model in self.models if model.task == task and model.default]
            if len(defaults) > 1:
                raise ValueError(f"more than one default model for {task}: {', '.join(defaults)}")
        return self
