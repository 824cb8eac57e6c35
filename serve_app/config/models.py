"""The models of a configuration: an entry per family, and what a classifier's labels mean to clients."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator

from deployments.fish_speech.config import FishSpeechConfig
from deployments.model_config import ModelConfig
from deployments.text_classification.config import TextClassificationConfig
from deployments.whisper.config import WhisperConfig
from serve_app.config.settings import Settings
from serve_app.config.tasks import ModelTask

ModelId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Alias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}$")]
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

    ``default`` makes it the answer to requests without a model and to the task's names of hosted services. Every
    family has an entry of its own, which adds what only its models have.
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


class ClassifiedEntry(ModelEntry):
    """A model whose texts may be classified: ``classifier`` is the id of a text-classification model."""

    classifier: ModelId | None = None


class WhisperEntry(ClassifiedEntry):
    """A transcription model. With a ``classifier`` the segments of every transcription carry its scores."""

    task: ClassVar[ModelTask] = "transcription"

    family: Literal["whisper"] = "whisper"
    config: WhisperConfig


class TextClassificationEntry(ModelEntry):
    """A text-classification model, and what its labels mean to the moderation API."""

    task: ClassVar[ModelTask] = "classification"

    family: Literal["text_classification"]
    moderation: ModerationConfig = ModerationConfig()
    config: TextClassificationConfig


class FishSpeechEntry(ClassifiedEntry):
    """A speech-synthesis model. The ``classifier`` reads every text first; one that it gives a label of ``refuse``
    at least that probability is not spoken.

    No model here takes ``instructions``: a request with them is refused, or they are ignored and named in
    ``X-Ignored-Fields``.
    """

    task: ClassVar[ModelTask] = "speech"

    family: Literal["fish_speech"]
    refuse: dict[str, Probability] = Field(default_factory=dict)
    instructions: Literal["refused", "ignored"] = "refused"
    config: FishSpeechConfig

    @model_validator(mode="after")
    def _refuses_what_is_classified(self) -> "FishSpeechEntry":
        if self.refuse and self.classifier is None:
            raise ValueError("`refuse` needs a `classifier` whose labels it names")
        return self


def _family(entry: object) -> object:
    return entry.get("family", "whisper") if isinstance(entry, dict) else getattr(entry, "family", None)


_Entry = (
    Annotated[WhisperEntry, Tag("whisper")]
    | Annotated[TextClassificationEntry, Tag("text_classification")]
    | Annotated[FishSpeechEntry, Tag("fish_speech")]
)
*_OTHERS, _LAST = (get_args(entry)[1].tag for entry in get_args(_Entry))

AnyEntry = Annotated[
    _Entry,
    Discriminator(
        _family,
        custom_error_type="family",
        custom_error_message=f"the family of a model is {', '.join(_OTHERS)} or {_LAST}",
    ),
]
