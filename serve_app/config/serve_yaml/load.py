"""The strict loader of Ray Serve's multi-application YAML, and what the launcher and the tests make of it."""

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.serve import Deployment
from ray.serve.schema import DeploymentSchema, ServeApplicationSchema

from serve_app.config.app import AppConfig
from serve_app.config.serve_yaml.check import check, own_deployments
from serve_app.config.serve_yaml.document import Problem, read

BUILDER = "serve_app:build"
Options = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServedApplication:
    """One entry of ``applications``. ``overrides`` are ``Deployment.options`` arguments by deployment name."""

    name: str
    route_prefix: str | None
    config: AppConfig
    overrides: Mapping[str, Options]
    runtime_env: dict[str, Any]
    logging_config: dict[str, Any] | None
    external_scaler_enabled: bool

    @property
    def deployments(self) -> tuple[str, ...]:
        """Names of all deployments of the graph."""
        return (*own_deployments(self.config), *(model.id for model in self.config.models))


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """A checked file. The options are those that ``serve.start`` takes, defaults filled in as Serve does."""

    path: Path
    raw: dict[str, Any]
    proxy_location: str
    http_options: dict[str, Any]
    grpc_options: dict[str, Any]
    controller_options: dict[str, Any] | None
    logging_config: dict[str, Any] | None
    tracing_config: dict[str, Any] | None
    applications: tuple[ServedApplication, ...]
    warnings: tuple[Problem, ...]


def load(path: Path | str, *, builder: str = BUILDER) -> ServeConfig:
    """Read and check a file; ``builder`` is the import path that its applications must have.

    Raises ConfigProblems with everything that is wrong.
    """
    document = read(Path(path))
    checked = check(document, builder)
    schema = checked.schema
    return ServeConfig(
        path=document.path,
        raw=document.data,
        proxy_location=schema.proxy_location.value,
        http_options=schema.http_options.model_dump(),
        grpc_options=schema.grpc_options.model_dump(),
        controller_options=_set(schema.controller_options),
        logging_config=_set(schema.logging_config),
        tracing_config=_set(schema.tracing_config),
        applications=tuple(map(_application, schema.applications, checked.configs)),
        warnings=checked.warnings,
    )


def _application(app: ServeApplicationSchema, config: AppConfig) -> ServedApplication:
    entries = app.model_dump(exclude_unset=True).get("deployments", ())
    return ServedApplication(
        name=app.name,
        route_prefix=app.route_prefix,
        config=config,
        overrides={entry["name"]: deployment_options(entry, app.runtime_env) for entry in entries},
        runtime_env=app.runtime_env,
        logging_config=_set(app.logging_config),
        external_scaler_enabled=app.external_scaler_enabled,
    )


def _set(model: Any) -> dict[str, Any] | None:
    """What a model was given, without its defaults."""
    return None if model is None else dict(model.model_dump(exclude_unset=True))


def deployment_options(entry: Mapping[str, Any], runtime_env: Mapping[str, Any] | None = None) -> Options:
    """Arguments for ``Deployment.options`` from one entry of ``deployments``.

    Serve merges such an entry into the deployment's code in the same way: what is set replaces the whole
    option, also ``ray_actor_options``; only the application's ``runtime_env`` is merged into the entry's.
    ``rolling_update_percentage`` has no counterpart and only matters to Serve's own in-place updates.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `check` has reported them
        options = DeploymentSchema.model_validate(dict(entry)).model_dump(exclude_unset=True)
    if runtime_env and "ray_actor_options" in options:
        own = options["ray_actor_options"].get("runtime_env", {})
        variables = {**runtime_env.get("env_vars", {}), **own.get("env_vars", {})}
        merged = {**runtime_env, **own, **({"env_vars": variables} if variables else {})}
        options["ray_actor_options"]["runtime_env"] = merged
    known = set(inspect.signature(Deployment.options).parameters) - {"name"}
    return {name: value for name, value in options.items() if name in known}
