"""The whole graph on one screen: ``ingress`` and ``runner`` -> one deployment per model; the board of states."""

from collections.abc import Mapping
from typing import Any

from ray.serve import Application

from deployments.fish_speech.deployment import FishSpeech
from deployments.states import States
from deployments.text_classification.deployment import TextClassification
from deployments.whisper.deployment import Whisper
from media.fetch import FetchPolicy
from serve_app.config.app import AppConfig, FishSpeechEntry, TextClassificationEntry, WhisperEntry
from serve_app.graph.ingress import Ingress
from serve_app.graph.runner import JobRunner

Options = Mapping[str, Any]


def build(config: AppConfig) -> Application:
    """The application of a Serve YAML with ``import_path: serve_app:build``; ``config`` is its ``args``."""
    return build_graph(config)


def build_graph(config: AppConfig, options: Mapping[str, Options] | None = None) -> Application:
    """The same with deployment options by deployment name, for those who deploy without Serve's own loader."""
    fetching = FetchPolicy(**config.fetch.model_dump())

    def configured(deployment: Any, name: str, **defaults: Any) -> Any:
        return deployment.options(name=name, **{**defaults, **(options or {}).get(name, {})})

    states = configured(States, "states").bind()
    models: dict[str, Any] = {}
    for entry in sorted(config.models, key=lambda entry: entry.task != "classification"):  # others may use these
        room = 2 * entry.config.queue_requests  # the replica refuses by itself what it has no room for
        match entry:
            case TextClassificationEntry():
                model = configured(TextClassification, entry.id, max_ongoing_requests=room)
                needed = tuple(entry.moderation.categories or ())
                models[entry.id] = model.bind(entry.id, entry.config, states, needed)
            case WhisperEntry():
                model = configured(Whisper, entry.id, max_ongoing_requests=room)
                classifier = models[entry.classifier] if entry.classifier else None
                models[entry.id] = model.bind(
                    entry.id, entry.config, fetching, states, classifier, config.http.retries
                )
            case FishSpeechEntry():
                model = configured(FishSpeech, entry.id, max_ongoing_requests=room)
                classifier = models[entry.classifier] if entry.classifier else None
                models[entry.id] = model.bind(
                    entry.id, entry.config, states, classifier, entry.refuse, config.http.retries
                )
    runner = configured(JobRunner, "runner").bind(config, models, states) if config.jobs else None
    graph: Application = configured(Ingress, "ingress").bind(config, models, states, runner)
    return graph
