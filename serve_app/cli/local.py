"""Models that run in the process of a command, behind the same gateway as on a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deployments.errors import InvalidRequest, ModelNotFound
from deployments.model_state import ModelState
from deployments.model_store import find_local, parse_source
from deployments.states import StateBoard
from serve_app.cli.progress import Bar
from serve_app.cli.servers import ModelOptions
from serve_app.config.app import AppConfig
from serve_app.config.models import AnyEntry, ModerationConfig, TextClassificationEntry
from serve_app.config.serve_yaml.load import load
from serve_app.gateway.model_index import ModelIndex
from serve_app.graph.in_process import InProcess

DEFAULT_CONFIG = "configs/local.yaml"
PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class ModelKind:
    """What a command runs: models of a family, and the settings of theirs that are replaced, because they protect
    servers from strangers.
    """

    entry: type[AnyEntry]
    family: str
    without_limits: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model's id, a configuration of it and of its classifier, if it has one, and the name to ask for it by."""

    id: str
    config: AppConfig
    name: str


def find_model(kind: ModelKind, model: str | None, file: Path | None) -> LocalModel:
    """The model for ``--model``: an id or alias of the configuration ``file``, else a folder, ``hf://`` or
    ``s3://``. Raises ModelNotFound, InvalidRequest, ConfigProblems.
    """
    apps = _applications(file)
    try:
        return _configured(kind, model, apps)
    except ModelNotFound:
        if model is None or not ("://" in model or find_local(model)):
            raise
    return _from_source(kind, model, apps[0] if apps else None, with_settings=file is not None)


def _applications(file: Path | None) -> Sequence[AppConfig]:
    """Those of a configuration, or of the default one if it is there."""
    defaults = (path for path in (Path(DEFAULT_CONFIG), PROJECT / DEFAULT_CONFIG) if path.is_file())
    path = file or next(defaults, None)
    return [] if path is None else [app.config for app in load(path).applications]


def _configured(kind: ModelKind, name: str | None, apps: Sequence[AppConfig]) -> LocalModel:
    """The model that the first of the applications has by this name; its task's default for None."""
    refusal = ModelNotFound(f"There is no {DEFAULT_CONFIG} here; name a --config, or a folder as --model.")
    for app in apps:
        try:
            resolved = ModelIndex.of(app).resolve(kind.entry.task, name)
        except ModelNotFound as error:
            refusal = error
        else:
            entry = resolved.entry
            assert isinstance(entry, kind.entry)
            settings = entry.config.model_copy(update=dict(kind.without_limits))
            entry = entry.model_copy(update={"config": settings})
            return LocalModel(entry.id, _without_moderation(app.only(entry)), resolved.on_demand or entry.id)
    raise refusal


def _without_moderation(app: AppConfig) -> AppConfig:
    """Commands moderate nothing: a model may lack labels that the moderation of a server relies on."""
    models = tuple(
        entry.model_copy(update={"moderation": ModerationConfig()})
        if isinstance(entry, TextClassificationEntry)
        else entry
        for entry in app.models
    )
    return app.model_copy(update={"models": models})


def _from_source(kind: ModelKind, source: str, app: AppConfig | None, *, with_settings: bool) -> LocalModel:
    """The model in a folder or store, with the settings of the default model, or those of its family."""
    try:
        parse_source(source)
    except ValueError as error:
        raise InvalidRequest(f"The model {source!r} cannot be used: {error}.") from error
    default = ModelIndex.of(app).default(kind.entry.task) if app and with_settings else None
    settings = {
        **(default.config.model_dump() if default else {}),
        **kind.without_limits,
        "source": source,
        "load": "startup",
    }
    entry = kind.entry.model_validate({"id": "local", "family": kind.family, "config": settings})
    entry = entry.model_copy(update={"id": source})  # no id for a file, but the name in errors
    return LocalModel(source, app.only(entry) if app else AppConfig(models=(entry,)), source)


class LocalClient:
    """A model and its classifier, loaded on entering and unloaded on leaving; asked through the gateway."""

    def __init__(self, kind: ModelKind, options: ModelOptions, bar: Bar) -> None:
        """Raises ModelNotFound, InvalidRequest, ConfigProblems."""
        local = find_model(kind, options.model, options.config)
        self.model = local.name
        self._graph = InProcess(local.config, BarBoard(bar, local.id), timed=False, raw_errors=True)

    async def __aenter__(self) -> Self:
        self.gateway = await self._graph.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._graph.__aexit__(kind, error, trace)


class BarBoard(StateBoard):
    """Takes the place of a server's board of states: the bar says what the model is doing."""

    def __init__(self, bar: Bar, model: str) -> None:
        super().__init__()
        self._bar, self._model = bar, model

    async def report(self, model: str, replica: str, state: ModelState) -> None:
        """Show the state, unless it is that of the classifier."""
        if model == self._model:
            progress = "" if state.progress is None else f" {state.progress:.0%}"
            self._bar.say("" if state.ready else f"{state.phase.replace('_', ' ')}{progress}")
