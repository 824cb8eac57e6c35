"""Models in this process behind the same gateway as on a server."""

import asyncio
import math
from typing import Any, ClassVar

import pytest

from deployments.errors import DeadlineExceeded, ModelUnavailable
from deployments.model_state import ModelState
from deployments.replica import Replica
from deployments.states import StateBoard
from deployments.text_classification.types import ClassificationRequest
from serve_app.config.app import AppConfig
from serve_app.failures import StartFailed
from serve_app.graph.families import FamilyCase
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
    close = Replica.close

    async def closing(self: Replica[Any, Any]) -> None:
        await close(self)
        assert not self._models._pool.loaded
        closed.append(self)

    monkeypatch.setattr(Replica, "close", closing)
    graph = InProcess(CONFIG)
    with pytest.raises(ModelUnavailable):
        async with graph:
            pass
    assert closed == [*reversed(graph._replicas.values())]
    assert len(closed) == 2


class FakeReplica:
    """Follows a script, and writes down what happens to it."""

    scripts: ClassVar[dict[str, Any]]
    events: ClassVar[list[tuple[str, str]]]

    def __init__(self, name: str, *_: Any, **__: Any) -> None:
        self.name = name
        self._act("make")

    async def start(self) -> None:
        if self._script("start") is None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.events.append(("given up", self.name))
                raise
        self._act("start")

    async def close(self) -> None:
        self._act("close")

    def _script(self, verb: str) -> Any:
        return self.scripts.get(f"{verb} {self.name}", "well")

    def _act(self, verb: str) -> None:
        self.events.append((verb, self.name))
        if isinstance(script := self._script(verb), Exception):
            raise script


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> type[FakeReplica]:
    """The class of the replicas that are made instead of real ones. A script is an exception, or None for ever."""
    FakeReplica.scripts, FakeReplica.events = {}, []
    case = FamilyCase(None, FakeReplica)  # type: ignore[arg-type]
    monkeypatch.setattr("serve_app.graph.in_process.family_of", lambda *_: case)
    return FakeReplica


async def test_the_first_failure_gives_up_the_other_loads(fakes: type[FakeReplica]) -> None:
    failure = ModelUnavailable("gone")
    fakes.scripts = {"start judge": None, "start gone": failure}
    with pytest.raises(ModelUnavailable) as raised:
        async with asyncio.timeout(5), InProcess(CONFIG):
            pass
    assert raised.value is failure
    assert fakes.events[-3:] == [("given up", "judge"), ("close", "gone"), ("close", "judge")]


async def test_who_leaves_while_models_load_leaves_nothing(fakes: type[FakeReplica]) -> None:
    fakes.scripts = {"start judge": None}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), InProcess(CONFIG):
            pass
    assert fakes.events[-3:] == [("given up", "judge"), ("close", "gone"), ("close", "judge")]


async def test_a_replica_that_cannot_be_made_leaves_none_of_the_others(fakes: type[FakeReplica]) -> None:
    fakes.scripts = {"make gone": RuntimeError("no threads")}
    with pytest.raises(RuntimeError, match="no threads"):
        async with InProcess(CONFIG):
            pass
    assert fakes.events == [("make", "judge"), ("make", "gone"), ("close", "judge")]


async def test_all_are_unloaded_in_reverse_order_whatever_one_raises(fakes: type[FakeReplica]) -> None:
    fakes.scripts = {"close gone": RuntimeError("stuck")}
    with pytest.raises(RuntimeError, match="stuck"):
        async with InProcess(CONFIG):
            pass
    assert fakes.events[-2:] == [("close", "gone"), ("close", "judge")]


async def test_whoever_waits_is_told_of_all_failures(fakes: type[FakeReplica]) -> None:
    fakes.scripts = {"start judge": ModelUnavailable("No judge."), "start gone": ModelUnavailable("Gone.")}
    graph = InProcess(CONFIG)
    await graph.start()
    with pytest.raises(StartFailed, match=r"could not start a model\. No judge\.; Gone\."):
        await graph.ready()


async def test_whoever_waits_for_the_whole_graph_is_told_which_models_failed() -> None:
    graph = InProcess(CONFIG)
    await graph.start()
    try:
        with pytest.raises(StartFailed, match="could not start a model"):
            await graph.ready()
    finally:
        await graph.close()
