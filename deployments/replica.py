"""What every family's replica is: a bounded queue before one or more loaded models. A family adds its methods."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Generic

from deployments.admission import Admission
from deployments.model_config import ModelConfig
from deployments.model_host import EngineT, ModelFamily, ModelHost, SchedulerT
from deployments.model_state import ModelState
from deployments.process import lower_priority
from deployments.replica_log import quiet_client_errors


class Replica(Generic[EngineT, SchedulerT]):
    """A bounded queue, loaded models, and ``threads`` threads for blocking work beside the event loop.

    ``states`` is a handle of the board of states, None to report to nobody.
    """

    def __init__(
        self,
        name: str,
        config: ModelConfig,
        family: ModelFamily[EngineT, SchedulerT],
        states: Any,
        admission: Admission,
        threads: int,
    ) -> None:
        self._admission = admission
        self._threads = ThreadPoolExecutor(threads, "helper", initializer=lower_priority)
        self._models = ModelHost(name, config, family, states, self.with_queue)

    async def start(self) -> None:
        """Load the model unless it loads on demand. Raises ModelUnavailable."""
        await self._models.start()

    async def check_health(self) -> None:
        """Raise RuntimeError if a loaded model no longer works its queue off; Serve then replaces the replica."""
        self._models.check()

    async def close(self) -> None:
        """Unload everything."""
        await self._models.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def with_queue(self, state: ModelState) -> ModelState:
        """The state with the present figures of the queue."""
        return replace(state, queued=self._admission.outstanding, active_requests=self._admission.requests)

    async def _start_in_serve(self) -> None:
        """The end of a deployment's constructor."""
        quiet_client_errors()
        await self.start()
