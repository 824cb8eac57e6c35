"""Which deployment and which replica serve a model of each family; a new family is one more case."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployments.replica import Replica
from serve_app.config.app import AppConfig
from serve_app.config.models import AnyEntry, FishSpeechEntry, TextClassificationEntry, WhisperEntry


@dataclass(frozen=True, slots=True)
class FamilyCase:
    """What one entry becomes: a deployment of Serve, or the same replica as a plain object.

    Both take the model's id, its settings, ``states`` (a handle of the board of states) and ``arguments``. If
    there is a ``classifier``, which is a model's id, a deployment also takes its handle and ``retries``, a replica
    its ``Calls``.
    """

    deployment: Any
    replica: Callable[..., Replica[Any, Any]]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    classifier: str | None = None


def family_of(entry: AnyEntry, config: AppConfig) -> FamilyCase:
    """The family of a model of ``config``. Only its own code is imported."""
    match entry:
        case TextClassificationEntry():
            from deployments.text_classification.deployment import TextClassification, TextClassificationReplica

            labels = tuple(entry.moderation.categories or ())
            return FamilyCase(TextClassification, TextClassificationReplica, {"required_labels": labels})
        case WhisperEntry():
            from deployments.whisper.deployment import Whisper, WhisperReplica
            from media.fetch import FetchPolicy

            fetching = FetchPolicy(**config.fetch.model_dump())
            return FamilyCase(Whisper, WhisperReplica, {"fetching": fetching}, entry.classifier)
        case FishSpeechEntry():
            from deployments.fish_speech.deployment import FishSpeech, FishSpeechReplica

            return FamilyCase(FishSpeech, FishSpeechReplica, {"refuse": entry.refuse}, entry.classifier)


def classifiers_first(models: Iterable[AnyEntry]) -> list[AnyEntry]:
    """The models in an order in which they can be made: others may use a classifier."""
    return sorted(models, key=lambda entry: entry.task != "classification")
