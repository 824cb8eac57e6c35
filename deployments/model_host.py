"""A replica's models: fetched, loaded, warmed up, kept or unloaded, and reported to the board of states."""

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from deployments.errors import AntiphonError, InvalidRequest, ModelUnavailable
from deployments.model_config import ModelConfig
from deployments.model_pool import ModelPool
from deployments.model_state import ModelState, Phase
from deployments.model_store import DownloadProgress, fetch_model, hub_source
from deployments.process import lower_priority
from deployments.states import StateReporter

logger = logging.getLogger("ray.serve")

LAST_REPORT_S = 0.1


class ModelEngine(Protocol):
    """What the host needs of a family's engine, whose constructor loads a folder. Both verbs block."""

    def warm_up(self, on_progress: Callable[[float], None]) -> None:
        """Run every operation once. One that takes long reports how far it is, 0 to 1."""

    def close(self) -> None:
        """Free the weights."""


class ModelScheduler(Protocol):
    """What the host needs of a family's scheduler."""

    def check(self) -> None:
        """Raise RuntimeError if the queue is no longer worked off."""

    async def close(self) -> None:
        """Stop after the running batches."""


EngineT = TypeVar("EngineT", bound=ModelEngine)
SchedulerT = TypeVar("SchedulerT", bound=ModelScheduler)


@dataclass(frozen=True, slots=True)
class LoadedModel(Generic[EngineT, SchedulerT]):
    """An engine with its scheduler."""

    engine: EngineT
    scheduler: SchedulerT


@dataclass(frozen=True, slots=True)
class ModelFamily(Generic[EngineT, SchedulerT]):
    """How models of one family are loaded: the files they need, engine, scheduler, and what probes are to see."""

    files: Sequence[str]
    load: Callable[[Path], EngineT]
    schedule: Callable[[EngineT], SchedulerT]
    describe: Callable[[EngineT], Mapping[str, Any]]


class ModelHost(Generic[EngineT, SchedulerT]):
    """Loads at the start or on demand, as the configuration says. ``with_queue`` adds queue figures to reports."""

    def __init__(
        self,
        name: str,
        config: ModelConfig,
        family: ModelFamily[EngineT, SchedulerT],
        states: Any,
        with_queue: Callable[[ModelState], ModelState],
    ) -> None:
        self._config, self._family = config, family
        self._pool: ModelPool[LoadedModel[EngineT, SchedulerT]] = ModelPool(
            self._load, self._unload, max_loaded=config.max_loaded, idle_s=config.idle_unload_s
        )
        self._serving = False
        self._reporter = StateReporter(states, name, uuid.uuid4().hex, with_queue)

    async def start(self) -> None:
        """Load the model unless it loads on demand. Raises ModelUnavailable."""
        self._loop = asyncio.get_running_loop()
        self._reporter.start()
        if self._config.load == "on_demand" or self._config.source is None:
            self._serving = True
            self._reporter.update(phase="idle")
            return
        try:
            async with self.use(None):
                pass
        except Exception:  # its message may name folders and buckets, which probes have no key for
            self._reporter.update(phase="failed", detail="The model could not be loaded; the log says why.")
            await asyncio.sleep(LAST_REPORT_S)  # let the report leave before the replica does
            raise
        self._serving = True

    def use(self, on_demand: str | None) -> AbstractAsyncContextManager[LoadedModel[EngineT, SchedulerT]]:
        """The model for the time of a block, loaded if need be; ``on_demand`` is a Hub repository's name.

        Raises InvalidRequest if a name is wanted, ModelUnavailable if the load fails.
        """
        return self._pool.use(self._source(on_demand))

    @property
    def state(self) -> ModelState:
        """What was reported last."""
        return self._reporter.state

    def check(self) -> None:
        """Raise RuntimeError if a loaded model no longer works its queue off."""
        for model in self._pool.loaded.values():
            model.scheduler.check()

    async def close(self) -> None:
        """Unload everything."""
        self._reporter.stop()
        await self._pool.close()

    def _source(self, name: str | None) -> str:
        if self._config.source is not None:
            return self._config.source
        if name is None:
            raise InvalidRequest("Name the model to load.", param="model")
        return hub_source(name)

    async def _load(self, source: str) -> LoadedModel[EngineT, SchedulerT]:
        try:
            self._say("downloading")
            folder = await asyncio.to_thread(
                fetch_model, source, patterns=self._family.files, on_progress=self._downloaded
            )
            self._say("loading")
            loader = ThreadPoolExecutor(1, "loader", initializer=lower_priority)  # the engine's threads inherit it
            try:
                engine = await self._loop.run_in_executor(loader, self._family.load, folder)
            finally:
                loader.shutdown(wait=False)
            self._say("warming_up")
            await asyncio.to_thread(engine.warm_up, self._warmed_up)
        except BaseException as error:
            self._settle()
            if isinstance(error, Exception) and not isinstance(error, AntiphonError):
                logger.exception("the model %s could not be loaded", source)
                raise ModelUnavailable("The model could not be loaded. The log has the details.") from error
            raise
        scheduler = self._family.schedule(engine)
        self._reporter.update(phase="ready", progress=1.0, detail="", **self._family.describe(engine))
        return LoadedModel(engine, scheduler)

    async def _unload(self, model: LoadedModel[EngineT, SchedulerT]) -> None:
        await model.scheduler.close()
        await asyncio.to_thread(model.engine.close)
        self._settle()

    def _say(self, phase: Phase, progress: float | None = None) -> None:
        """Report what a load is doing; once requests are served, which a load for one of them does not stop, only
        as a detail.
        """
        if self._serving:
            self._reporter.update(detail=phase, progress=progress)
        else:
            self._reporter.update(phase=phase, progress=progress)

    def _settle(self) -> None:
        """Report what is left after a load has failed or a model has gone."""
        if self._serving:
            self._reporter.update(phase="ready" if self._pool.loaded else "idle", detail="", progress=None)

    def _downloaded(self, progress: DownloadProgress) -> None:
        """Called from the downloading thread."""
        self._loop.call_soon_threadsafe(self._say, "downloading", progress.fraction)

    def _warmed_up(self, progress: float) -> None:
        """Called from the thread that warms up."""
        self._loop.call_soon_threadsafe(self._say, "warming_up", progress)
