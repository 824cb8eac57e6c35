"""Models in this process behind the same gateway as on a server."""

import math
from typing import Any

import pytest

from deployments.errors import DeadlineExceeded, ModelUnavailable
from deployments.model_state import ModelState
from deployments.states import StateBoard
from deployments.text_classification.types import ClassificationRequest
from serve_app.config.app import AppConfig
from serve_app.failures import StartFailed
from serve_app.graph.in_process import InProcess

CONFIG = AppConfig.model_validate(
    {
        "models": [
            {"id": "judge", "family": "text_classification", "config": {"source": "samples/classifier/model"}},
            {"id": "gone", "family": "text_classification", "config": {"source": "samples/missing"}},
        ],
        "http": {"request_timeout_s": 1e-9},
    }
)
JUDGE, GONE = CONFIG.models
REQUEST = ClassificationRequest(("Hello there.",))


class Board(StateBoard):
    def __init__(self) -> None:
        super().__init__()
        self.phases: list[tuple[str, str]] = []

    async def report(self, model: str, replica: str, state: ModelState) -> None:
        await super().report(model, replica, state)
        self.phases.append((model, state.phase))


async def test_one_model_of_a_configuration_without_a_limit_of_time() -> None:
    board = Board()
    async with InProcess(CONFIG.only(JUDGE), board, timed=False) as gateway:
        (scores,) = await gateway.classify(REQUEST)
        assert math.isclose(sum(scores.scores.values()), 1, abs_tol=1e-5)
        assert (await gateway.states())["judge"].phase == "ready"
    assert board.phases[-1] == ("judge", "ready")
    assert {model for model, _ in board.phases} == {"judge"}


async def test_the_limit_of_time_is_that_of_a_server() -> None:
    async with InProcess(CONFIG.only(JUDGE)) as gateway:
        with pytest.raises(DeadlineExceeded):
            await gateway.classify(REQUEST)


async def test_a_model_that_cannot_be_loaded_says_so_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Any] = []
    close = InProcess.close

    async def closing(self: InProcess) -> None:
        await close(self)
        closed.append(self)

    monkeypatch.setattr(InProcess, "close", closing)
    with pytest.raises(ModelUnavailable):
        async with InProcess(CONFIG):
            pass
    assert len(closed) == 1


async def test_whoever_waits_for_the_whole_graph_is_told_which_models_failed() -> None:
    graph = InProcess(CONFIG)
    await graph.start()
    try:
        with pytest.raises(StartFailed, match="could not start a model"):
            await graph.ready()
    finally:
        await graph.close()
