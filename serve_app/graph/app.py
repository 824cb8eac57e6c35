"""The whole graph on one screen: ``ingress`` and ``runner`` -> one deployment per model; the board of states."""

from collections.abc import Mapping
from typing import Any

from ray.serve import Application

from deployments.states import States
from serve_app.config.app import AppConfig
from serve_app.config.serve_yaml.load import Options
from serve_app.graph.families import classifiers_first, family_of
from serve_app.graph.ingress import Ingress
from serve_app.graph.runner import JobRunner


def build(config: AppConfig) -> Application:
    """The application of a Serve YAML with ``import_path: serve_app:build``; ``config`` is its ``args``."""
    return build_graph(config)


def build_graph(config: AppConfig, options: Mapping[str, Options] | None = None) -> Application:
    """The same with deployment options by deployment name, for those who deploy without Serve's own loader."""

    def configured(deployment: Any, name: str, **defaults: Any) -> Any:
        return deployment.options(name=name, **{**defaults, **(options or {}).get(name, {})})

    states = configured(States, "states").bind()
    models: dict[str, Any] = {}
    for entry in classifiers_first(config.models):
        family = family_of(entry, config)
        room = 2 * entry.config.queue_requests  # the replica refuses by itself what it has no room for
        deployment = configured(family.deployment, entry.id, max_ongoing_requests=room)
        arguments = {"states": states, **family.arguments}
        if family.classifier is not None:
            arguments |= {"classifier": models[family.classifier], "retries": config.http.retries}
        models[entry.id] = deployment.bind(entry.id, entry.config, **arguments)
    runner = configured(JobRunner, "runner").bind(config, models, states) if config.jobs else None
    graph: Application = configured(Ingress, "ingress").bind(config, models, states, runner)
    return graph
