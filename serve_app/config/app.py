"""The application's configuration: the ``args:`` of the Serve YAML, as one model that refuses unknown keys.

Secrets are not in it; they come from the environment (``ANTIPHON_API_KEYS``, ``HF_TOKEN``, AWS's own names).
"""

from typing import Annotated, ClassVar, Literal

from pydantic import (
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)

from deployments.fish_speech.config import FishSpeechConfig
from deployments.model_config import ModelConfig
from deployments.text_classification.config import TextClassificationConfig
from deployments.whisper.config import WhisperConfig
from serve_app.config.jobs import JobsConfig
from serve_app.config.settings import Network, Settings

ModelId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Alias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}$")]
ModelTask = Literal["transcription", "classification", "speech"]
Category = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9/_-]{0,63}$")]
Probability = Annotated[float, Field(ge=0, le=1)]
MODERATION_CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
RESERVED_IDS = frozenset({"ingress", "runner", "states"})


class ModerationConfig(Settings):
    """What a classifier's labels mean to clients of the moderation API.

    ``categories`` maps labels to categories; None takes labels that are categories by their names, and those of
    the hate-speech model. A category is flagged from its threshold on: that of ``thresholds``, else ``threshold``.
    """

    categories: dict[str, Category] | None = Field(None, min_length=1)
    threshold: Probability = 0.5
    thresholds: dict[Category, Probability] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _thresholds_have_a_category(self) -> "ModerationConfig":
        known = {*MODERATION_CATEGORIES, *(self.categories or {}).values()}
        for name in self.thresholds:
            if name not in known:
                raise ValueError(f"there is a threshold for {name!r}, which is no category")
        return self


class ModelEntry(Settings):
    """One served model: its id (also its deployment's name), the names it answers to, its settings.

    ``default`` makes it the answer to requests without a model and to the task's well-known aliases. Every family
    has an entry of its own, which adds what only its models have.
    """

    task: ClassVar[ModelTask]

    id: ModelId
    family: str
    aliases: tuple[Alias, ...] = ()
    default: bool = False
    description: str = ""
    license: str | None = None
    config: ModelConfig

    @model_validator(mode="after")
    def _names_a_source(self) -> "ModelEntry":
        if self.id in RESERVED_IDS:
            raise ValueError(f"the id {self.id!r} is taken by a deployment of the graph itself")
        if (self.config.source is None) == (not self.config.allow):
            raise ValueError("a model needs either `source` or a list of `allow` patterns")
        return self


class WhisperEntry(ModelEntry):
    """A transcription model. ``classifier`` is the id of a text-classification model: the segments of every
    transcription then carry its scores.
    """

    task: ClassVar[ModelTask] = "transcription"

    family: Literal["whisper"] = "whisper"
    classifier: ModelId | None = None
    config: WhisperConfig


class TextClassificationEntry(ModelEntry):
    """A text-classification model, and what its labels mean to the moderation API."""

    task: ClassVar[ModelTask] = "classification"

    family: Literal["text_classification"]
    moderation: ModerationConfig = ModerationConfig()
    config: TextClassificationConfig


class FishSpeechEntry(ModelEntry):
    """A speech-synthesis model. ``classifier`` is the id of a text-classification model, which reads every text
    first; one that it gives a label of ``refuse`` at least that probability is not spoken.
    """

    task: ClassVar[ModelTask] = "speech"

    family: Literal["fish_speech"]
    classifier: ModelId | None = None
    refuse: dict[str, Probability] = Field(default_factory=dict)
    config: FishSpeechConfig

    @model_validator(mode="after")
    def _refuses_what_is_classified(self) -> "FishSpeechEntry":
        if self.refuse and self.classifier is None:
            raise ValueError("`refuse` needs a `classifier` whose labels it names")
        return self


BUILT_IN_ENDPOINTS: dict[str, ModelTask] = {
    "transcribe": "transcription",
    "classify": "classification",
    "speech": "speech",
}
CONTRACT_TASKS: dict[str, ModelTask] = {
    "ivrit": "transcription",
    "ivrit-legacy": "transcription",
    "faster-whisper": "transcription",
    "hate-speech": "classification",
    "fish-speech": "speech",
}


def _family(entry: object) -> object:
    return entry.get("family", "whisper") if isinstance(entry, dict) else getattr(entry, "family", None)


AnyEntry = Annotated[
    Annotated[WhisperEntry, Tag("whisper")]
    | Annotated[TextClassificationEntry, Tag("text_classification")]
    | Annotated[FishSpeechEntry, Tag("fish_speech")],
    Discriminator(
        _family,
        custom_error_type="family",
        custom_error_message="the family of a model is whisper, text_classification or fish_speech",
    ),
]


class HttpConfig(Settings):
    """Limits of the HTTP entrance."""

    upload_bytes: int = Field(128 * 1024**2, ge=1, description="largest request body")
    request_timeout_s: float = Field(3_600, gt=0, description="longest time a request may take")
    retries: int = Field(2, ge=0, le=10, description="tries again after the death of a replica")


class GrpcConfig(Settings):
    """Limits of the gRPC entrance, which Serve opens on every network that the machine is in."""

    remote_clients: bool = Field(False, description="whether other machines are answered")
    message_bytes: int = Field(128 * 1024**2, ge=4 * 1024**2, lt=2 * 1024**3, description="largest request")


class FetchConfig(Settings):
    """Limits of URLs that requests name."""

    max_bytes: int = Field(2 * 1024**3, ge=1)
    timeout_s: float = Field(600, gt=0)
    max_redirects: int = Field(5, ge=0, le=20)
    allowed_networks: tuple[Network, ...] = Field(
        (), description="networks (CIDR) that may be reached although they are not public"
    )


class AppConfig(Settings):
    """Everything about the graph that is not a deployment option. Without ``jobs`` there is no job service."""

    models: tuple[AnyEntry, ...] = Field(min_length=1)
    http: HttpConfig = HttpConfig()
    grpc: GrpcConfig = GrpcConfig()
    fetch: FetchConfig = FetchConfig()
    jobs: JobsConfig | None = None

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

    @model_validator(mode="after")
    def _endpoints_have_models(self) -> "AppConfig":
        known = {name: model for model in self.models for name in (model.id, *model.aliases)}
        for name, endpoint in (self.jobs.endpoints if self.jobs else {}).items():
            model = known.get(endpoint.model)
            if model is None:
                models = ", ".join(sorted(model.id for model in self.models))
                raise ValueError(
                    f"the endpoint {name!r} is for {endpoint.model!r}, which is no model here; models: {models}"
                )
            if CONTRACT_TASKS.get(endpoint.contract or "", model.task) != model.task:
                raise ValueError(
                    f"the contract {endpoint.contract!r} of the endpoint {name!r} does not go with {model.id!r}, "
                    f"which does {model.task}"
                )
            if name.removesuffix("-legacy") in {*BUILT_IN_ENDPOINTS, *(model.id for model in self.models)}:
                raise ValueError(f"there is an endpoint {name!r} already; give yours another name")
        return self

    @model_validator(mode="after")
    def _classifiers_exist(self) -> "AppConfig":
        known = {model.id: model for model in self.models}
        for model in self.models:
            name = model.classifier if isinstance(model, WhisperEntry | FishSpeechEntry) else None
            if name is not None and (name not in known or known[name].task != "classification"):
                raise ValueError(f"the classifier {name!r} of {model.id!r} is no text-classification model here")
            if name is not None and known[name].config.source is None:
                raise ValueError(f"the classifier {name!r} of {model.id!r} needs a source of its own")
        return self
