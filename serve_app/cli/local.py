"""Models that run in the process of a command, through the same replica as on a server."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from deployments.errors import InvalidRequest, ModelNotFound
from deployments.model_config import ModelConfig
from deployments.model_state import ModelState
from deployments.model_store import find_local, parse_source
from serve_app.cli.progress import Bar
from serve_app.config.app import AppConfig
from serve_app.config.serve_yaml.load import load
from serve_app.config.tasks import ModelTask
from serve_app.gateway.models import ModelIndex

DEFAULT_CONFIG = "configs/local.yaml"
PROJECT = Path(__file__).resolve().parents[2]

ConfigT = TypeVar("ConfigT", bound=ModelConfig)


class Replica(Protocol):
    """What every family's replica has."""

    async def start(self) -> None:
        """Load the model. Raises ModelUnavailable."""

    async def close(self) -> None:
        """Unload it."""


ReplicaT = TypeVar("ReplicaT", bound=Replica)


@dataclass(frozen=True, slots=True)
class Choice(Generic[ConfigT]):
    """A model with the settings to run it, the configuration that it stands in, if any, and the name to load if it
    loads on demand.
    """

    name: str
    config: ConfigT
    app: AppConfig | None = None
    on_demand: str | None = None


@dataclass(frozen=True, slots=True)
class Kind(Generic[ConfigT]):
    """What a command runs: the task and the settings of its models, and those that replace what the configuration
    says, because they protect servers from strangers.
    """

    task: ModelTask
    config: type[ConfigT]
    replaced: Mapping[str, Any]


def choose(kind: Kind[ConfigT], model: str | None, config: Path | None) -> Choice[ConfigT]:
    """The model for ``--model``: an id or alias of the configuration, else a folder, ``hf://`` or ``s3://``.

    A model that is not in the configuration runs with the engine's defaults, unless ``config`` was named: then
    it runs with the settings of its default model. Raises ModelNotFound, InvalidRequest, ConfigProblems.
    """
    path = config or next((p for p in (Path(DEFAULT_CONFIG), PROJECT / DEFAULT_CONFIG) if p.is_file()), None)
    apps = [] if path is None else [app.config for app in load(path).applications]
    refusal = ModelNotFound(f"There is no {DEFAULT_CONFIG} here; name a --config, or a folder as --model.")
    for app in apps:
        try:
            found = ModelIndex.of(app).resolve(kind.task, model)
        except ModelNotFound as error:
            refusal = error
        else:
            settings = found.entry.config
            assert isinstance(settings, kind.config)
            return Choice(found.entry.id, settings.model_copy(update=dict(kind.replaced)), app, found.on_demand)
    if model is None or not ("://" in model or find_local(model)):
        raise refusal
    try:
        parse_source(model)
    except ValueError as error:
        raise InvalidRequest(f"The model {model!r} cannot be used: {error}.") from error
    base = ModelIndex.of(apps[0]).default(kind.task) if config and apps else None
    settings = kind.config.model_validate(
        {**(base.config.model_dump() if base else {}), **kind.replaced, "source": model, "load": "startup"}
    )
    return Choice(model, settings, apps[0] if apps else None)


class LocalModel(Generic[ReplicaT]):
    """A replica with its model, loaded on entering and unloaded on leaving."""

    def __init__(self, replica: ReplicaT) -> None:
        self._replica = replica

    async def __aenter__(self) -> Self:
        try:
            await self._replica.start()
        except BaseException:
            await self._replica.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._replica.close()


def board(bar: Bar) -> Any:
    """Takes the place of a server's board of states: the bar says what the model is doing."""

    async def report(_model: str, _replica: str, state: ModelState) -> None:
        progress = "" if state.progress is None else f" {state.progress:.0%}"
        bar.say("" if state.ready else f"{state.phase.replace('_', ' ')}{progress}")

    return SimpleNamespace(report=SimpleNamespace(remote=report))
