"""A replica without Ray: limits, admission, deadlines, what the board of states gets."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployments.errors import (
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    ModelUnavailable,
    Overloaded,
    PayloadTooLarge,
)
from deployments.model_state import ModelState
from deployments.text_classification.config import TextClassificationConfig
from deployments.text_classification.deployment import RUN_AT_ONCE, TextClassificationReplica
from deployments.text_classification.types import ClassificationRequest, TextScores
from tests.deployments.text_classification.support import LABELS, ROUNDING, SENTENCES, random_checkpoint


class Board:
    """Takes the place of the board of states."""

    def __init__(self) -> None:
        self.reports: list[ModelState] = []
        self.report = SimpleNamespace(remote=self._report)

    async def _report(self, model: str, replica: str, state: ModelState) -> None:
        self.reports.append(state)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "random"
    random_checkpoint(path)
    return path


@contextlib.asynccontextmanager
async def replica(
    folder: Path, board: Board | None = None, labels: tuple[str, ...] = (), **config: Any
) -> AsyncIterator[TextClassificationReplica]:
    settings = TextClassificationConfig.model_validate({"source": str(folder), **config})
    running = TextClassificationReplica("sample", settings, board or Board(), labels)
    try:
        await running.start()
        yield running
    finally:
        await running.close()


def request(*texts: str, **options: Any) -> ClassificationRequest:
    return ClassificationRequest(texts, **options)


def engine_of(running: TextClassificationReplica) -> Any:
    """The only loaded engine, to hold it back or to break it."""
    (model,) = running._models._pool.loaded.values()
    return model.engine


def scheduler_of(running: TextClassificationReplica) -> Any:
    """And its scheduler."""
    (model,) = running._models._pool.loaded.values()
    return model.scheduler


class Gate:
    """Holds the engine back until it is opened, and counts the batches."""

    def __init__(self, running: TextClassificationReplica) -> None:
        engine = engine_of(running)
        self.open, self.batches = threading.Event(), []
        run = engine.run

        def held(batch: Any) -> Any:
            self.batches.append(len(batch))
            assert self.open.wait(10)
            return run(batch)

        engine.run = held


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_scores_of_many_texts_are_those_of_each_alone(folder: Path) -> None:
    async with replica(folder) as running:
        together = await running.classify(request(*SENTENCES))
        for text, scores in zip(SENTENCES, together, strict=True):
            (alone,) = await running.classify(request(text))
            assert alone.scores == pytest.approx(scores.scores, abs=ROUNDING)
            assert list(alone.scores) == list(LABELS)
            assert alone.tokens == scores.tokens
            assert alone.label == max(alone.scores, key=lambda label: alone.scores[label])


async def test_requests_share_batches(folder: Path) -> None:
    async with replica(folder, engine={"max_wait_ms": 0}) as running:
        gate = Gate(running)
        calls = [asyncio.create_task(running.classify(request("hello there"))) for _ in range(20)]
        await until(lambda: sum(gate.batches) + len(scheduler_of(running)._queue) == 20)
        gate.open.set()
        answers = await asyncio.gather(*calls)
        for (scores,) in answers:
            assert scores.scores == pytest.approx(answers[0][0].scores, abs=ROUNDING)
        assert len(gate.batches) == 2, "the first one, and all others together"
        assert sum(gate.batches) == 20


async def test_a_batch_is_bounded_in_texts_and_in_tokens(folder: Path) -> None:
    limits = {"max_batch_texts": 8, "max_batch_tokens": 512}
    async with replica(folder, engine=limits) as running:
        gate = Gate(running)
        gate.open.set()
        await running.classify(request(*["hi"] * 20))
        assert max(gate.batches) == 8
        gate.batches.clear()
        await running.classify(request(*["x" * 120] * 20))
        assert max(gate.batches) == 4


async def test_limits_of_a_request(folder: Path) -> None:
    async with replica(folder, max_texts=3, max_chars=50) as running:
        with pytest.raises(InvalidRequest, match="4 texts are more than the 3"):
            await running.classify(request(*"abcd"))
        with pytest.raises(PayloadTooLarge, match="Text 2 has 51 characters"):
            await running.classify(request("a", "b" * 51))
        assert await running.classify(request("a", "b" * 50, "c"))


async def test_a_full_queue_refuses_at_once_and_serves_again(folder: Path) -> None:
    async with replica(folder, queue_requests=2) as running:
        gate = Gate(running)
        calls = [asyncio.create_task(running.classify(request("hello"))) for _ in range(2)]
        await until(lambda: gate.batches)
        with pytest.raises(Overloaded) as caught:
            await running.classify(request("hello"))
        assert caught.value.retry_after_s >= 1
        gate.open.set()
        await asyncio.gather(*calls)
        assert await running.classify(request("hello"))


async def test_tokens_count_for_admission(folder: Path) -> None:
    async with replica(folder, queue_tokens=200) as running:
        gate = Gate(running)
        first = asyncio.create_task(running.classify(request("x" * 120)))
        await until(lambda: gate.batches)
        with pytest.raises(Overloaded):
            await running.classify(request("y" * 120))
        gate.open.set()
        await first


async def test_leaving_takes_waiting_texts_along(folder: Path) -> None:
    async with replica(folder, engine={"max_batch_texts": 1}) as running:
        gate = Gate(running)
        call = asyncio.create_task(running.classify(request(*["hello"] * 50)))
        await until(lambda: gate.batches)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        gate.open.set()
        assert await running.classify(request("hello"))
        assert len(gate.batches) == 2, "the first one, and all others together"
        assert running._admission.requests == 0


async def test_deadlines(folder: Path) -> None:
    async with replica(folder) as running:
        with pytest.raises(DeadlineExceeded):
            await running.classify(request("hello", deadline=time.time() - 1))
        gate = Gate(running)
        with pytest.raises(DeadlineExceeded):
            await running.classify(request("hello", deadline=time.time() + 0.05))
        gate.open.set()
        assert await running.classify(request("hello", deadline=time.time() + 10))
        assert running._admission.requests == 0


async def test_a_failing_text_fails_its_own_request_only(folder: Path) -> None:
    async with replica(folder) as running:
        engine = engine_of(running)
        run, (bad,) = engine.run, engine.encode(["baaad"])

        def picky(batch: Any) -> Any:
            if bad in batch:
                raise RuntimeError("a bad text")
            return run(batch)

        engine.run = picky
        answers = await asyncio.gather(
            *(running.classify(request(text)) for text in ("hello", "baaad", "howdy")), return_exceptions=True
        )
        assert isinstance(answers[1], InternalError)
        assert all(isinstance(answer, tuple) for answer in (answers[0], answers[2]))


async def test_other_families_are_told_in_plain_types(folder: Path) -> None:
    async with replica(folder) as running:
        (scores,) = await running.classify(request("hello"))
        assert isinstance(scores, TextScores)
        assert await running.label_texts(["hello"]) == [pytest.approx(dict(scores.scores), abs=ROUNDING)]


async def test_labels_that_somebody_relies_on(folder: Path) -> None:
    async with replica(folder, labels=("spam", "hate")):
        pass
    with pytest.raises(ModelUnavailable, match="toxic"):
        async with replica(folder, labels=("spam", "toxic")):
            pass


async def test_the_board_knows_labels_and_queue(folder: Path) -> None:
    board = Board()
    async with replica(folder, board) as running:
        gate = Gate(running)
        call = asyncio.create_task(running.classify(request("hello")))
        await until(lambda: gate.batches)
        state = running.with_queue(running._models.state)
        assert (state.phase, state.labels, state.active_requests) == ("ready", LABELS, 1)
        assert state.queued == 7
        gate.open.set()
        await call
        assert running.with_queue(state).queued == 0


async def test_a_model_on_demand_is_loaded_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.model_host.fetch_model", lambda source, **_: folder)
    async with replica(folder, source=None, allow=["org/*"]) as running:
        assert running._models.state.phase == "idle"
        assert await running.classify(request("hello", model="org/some"))
        with pytest.raises(InvalidRequest):
            await running.classify(request("hello"))


async def test_limits_for_clients_do_not_count_for_other_families(folder: Path) -> None:
    async with replica(folder, max_texts=1, max_chars=10, max_pieces=1) as running:
        assert len(await running.label_texts(["hello", "a text of more than ten characters"])) == 2
        _, pieces, unread = await running.judge_text("a text of more than ten characters, and of more pieces")
        assert (pieces > 1, unread) == (True, False)


async def test_long_texts_are_judged_in_pieces(folder: Path) -> None:
    """The highest score of any piece counts, for clients and for other families."""
    text = " ".join([sentence for sentence in SENTENCES if "@" not in sentence] * 3)
    async with replica(folder) as running:
        engine = engine_of(running)
        (whole,) = await running.classify(request(text))
        assert (whole.truncated, whole.pieces) == (True, 1)
        (judged,) = await running.classify(request(text, in_pieces=True))
        rows = [engine.run(engine.encode([piece]))[0] for piece in dict.fromkeys(engine.pieces(text))]
        highest = dict(zip(LABELS, map(max, zip(*rows, strict=True)), strict=True))
        assert judged.scores == pytest.approx(highest, abs=ROUNDING)
        assert (judged.truncated, judged.pieces) == (False, len(rows))
        scores, pieces, unread = await running.judge_text(text)
        assert (scores, pieces, unread) == (judged.scores, judged.pieces, False)
        (labelled,) = await running.label_texts([text])
        assert labelled == pytest.approx(judged.scores, abs=ROUNDING), "what does not fit is read in pieces"
        fits = SENTENCES[3]
        assert (await running.label_texts([fits]))[0] == (await running.classify(request(fits)))[0].scores
        assert running._admission.outstanding == 0


async def test_a_client_may_not_send_more_pieces_than_are_taken(folder: Path) -> None:
    async with replica(folder, max_pieces=5) as running:
        assert await running.classify(request("a text of some length that is read as a whole" * 9))
        with pytest.raises(PayloadTooLarge, match="more than 5 pieces"):
            await running.classify(request("a text of some length that is read in pieces" * 9, in_pieces=True))


async def test_many_pieces_wait_a_part_at_a_time(folder: Path) -> None:
    async with replica(folder) as running:
        gate = Gate(running)
        call = asyncio.create_task(running.judge_text(" ".join(f"w{number}" for number in range(4_000))))
        await until(lambda: gate.batches)
        assert len(scheduler_of(running)._queue) <= RUN_AT_ONCE
        gate.open.set()
        _, pieces, _ = await call
        assert pieces > RUN_AT_ONCE


async def test_a_request_that_leaves_keeps_no_encoder(folder: Path) -> None:
    async with replica(folder, encoders=1, max_texts=1_000) as running:
        engine = engine_of(running)
        encode, portions_seen, go_on = engine.encode, [], threading.Event()

        def slow(texts: Any) -> Any:
            portions_seen.append(len(texts))
            assert go_on.wait(10)
            return encode(texts)

        engine.encode = slow
        leaving = asyncio.create_task(running.classify(request(*["hello"] * 1_000)))
        await until(lambda: portions_seen)
        leaving.cancel()
        staying = asyncio.create_task(running.classify(request("hello")))
        go_on.set()
        assert await staying
        assert portions_seen == [64, 1], "nothing of the request that has left comes between"
