"""What all replicas have in common, with a family that does nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.admission import Admission
from deployments.model_config import ModelConfig
from deployments.model_host import ModelFamily
from deployments.replica import Replica


class Engine:
    def __init__(self, folder: Path) -> None:
        self.folder, self.closed = folder, False

    def warm_up(self, on_progress: Callable[[float], None]) -> None:
        on_progress(1.0)

    def close(self) -> None:
        self.closed = True


class Scheduler:
    broken = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def check(self) -> None:
        if self.broken:
            raise RuntimeError("stuck")

    async def close(self) -> None:
        assert not self.engine.closed


class Idle(Replica[Engine, Scheduler]):
    def __init__(self, **config: Any) -> None:
        family = ModelFamily(("*.bin",), Engine, Scheduler, lambda _: {"labels": ("a",)})
        settings = ModelConfig.model_validate(config)
        super().__init__("idle", settings, family, None, Admission(100, 10), threads=2)


async def test_a_model_is_loaded_checked_and_unloaded(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    replica = Idle(source=str(tmp_path))
    await replica.start()
    async with replica._models.use(None) as model:
        assert (model.engine.folder, replica._models.state.phase) == (tmp_path, "ready")
        await replica.check_health()
        model.scheduler.broken = True
        with pytest.raises(RuntimeError, match="stuck"):
            await replica.check_health()
    await replica.close()
    assert model.engine.closed
    with pytest.raises(RuntimeError, match="shutdown"):
        replica._threads.submit(print)


async def test_a_state_is_reported_with_the_queue() -> None:
    replica = Idle(allow=["org/*"])
    await replica.start()
    with replica._admission.admit(7) as first, replica._admission.admit(30):
        first.advance(2)
        state = replica.with_queue(replica._models.state)
        assert (state.phase, state.queued, state.active_requests) == ("idle", 35, 2)
    assert replica.with_queue(state).queued == 0
    await replica.close()
