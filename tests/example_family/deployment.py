"""The replica, and its deployment."""

from typing import Any

from deployments.echo.config import EchoConfig
from deployments.echo.engine import EchoEngine
from ray import serve

from deployments.admission import Admission
from deployments.model_host import ModelFamily
from deployments.replica import Replica


class NoScheduler:
    """For an engine that needs no batches."""

    def check(self) -> None:
        """It is never broken."""

    async def close(self) -> None:
        """Nothing runs."""


class EchoReplica(Replica[EchoEngine, NoScheduler]):
    """Says the words of its model."""

    def __init__(self, name: str, config: EchoConfig, states: Any = None) -> None:
        family = ModelFamily(("words.txt",), EchoEngine, lambda engine: NoScheduler(), lambda engine: {})
        admission = Admission(config.queue_words, config.queue_requests)
        super().__init__(name, config, family, states, admission, threads=1)

    async def say(self) -> list[str]:
        """The words. Raises Overloaded."""
        with self._admission.admit(1):
            async with self._models.use(None) as model:
                return model.engine.words


@serve.deployment
class Echo(EchoReplica):
    """``EchoReplica`` as a deployment."""

    async def __init__(self, name: str, config: EchoConfig, states: Any = None) -> None:  # type: ignore[misc]
        super().__init__(name, config, states)
        await self._start_in_serve()
