"""A replica without Ray: admission by true durations, defaults, deadlines, what the board of states gets."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.errors import (
    AudioTooLong,
    ClientError,
    DeadlineExceeded,
    ForbiddenUrl,
    InvalidRequest,
    ModelUnavailable,
    NoSuchChannel,
    NoSuchTrack,
    Overloaded,
    UndecodableAudio,
)
from deployments.model_state import ModelState
from deployments.whisper.config import WhisperConfig
from deployments.whisper.deployment import WhisperReplica
from deployments.whisper.types import Clip, Segment, TranscriptionRequest
from media.fetch import FetchPolicy
from tests.deployments.whisper.support import SAMPLES

ENGINE = {"device": "cpu", "compute_type": "int8", "workers": 2, "threads": 1, "max_batch_windows": 1}
MODEL = str(SAMPLES / "model")


class Board:
    """Takes the place of the board of states."""

    def __init__(self) -> None:
        self.reports: list[ModelState] = []
        self.report = SimpleNamespace(remote=self._report)

    async def _report(self, model: str, replica: str, state: ModelState) -> None:
        self.reports.append(state)


@contextlib.asynccontextmanager
async def replica(board: Board | None = None, **config: Any) -> AsyncIterator[WhisperReplica]:
    settings = WhisperConfig.model_validate({"source": MODEL, "engine": ENGINE, **config})
    running = WhisperReplica("sample", settings, FetchPolicy(), board or Board())
    await running.start()
    yield running
    await running.close()


def recording(name: str = "utt01.wav") -> NDArray[np.uint8]:
    return np.fromfile(SAMPLES / "testset" / name, np.uint8)


async def segments(running: WhisperReplica, audio: Any = None, **fields: Any) -> list[Segment]:
    windows = running.transcribe(TranscriptionRequest(**fields), audio)
    return [event async for window in windows for event in window if isinstance(event, Segment)]


async def test_admits_by_the_true_duration() -> None:
    long = recording("utt12_long.wav")  # 66 s
    longer = np.concatenate([long, long[44:]])
    longer[40:44] = np.frombuffer((2 * (len(long) - 44)).to_bytes(4, "little"), np.uint8)
    async with replica(queue_audio_s=130) as running:
        first = running.transcribe(TranscriptionRequest(), long)
        async with contextlib.aclosing(first):
            await anext(first)
            assert await segments(running, recording())
            with pytest.raises(Overloaded) as caught:
                await segments(running, longer)
            assert caught.value.retry_after_s >= 1
        async with contextlib.aclosing(running.transcribe(TranscriptionRequest(), longer)) as second:
            assert await anext(second)


@pytest.mark.parametrize(
    ("clips", "fits"),
    [([(0, 9)] * 2, True), ([(0, 9)] * 3, True), ([(0, 9)] * 4, False), ([(0, None)] * 31, False)],
)
async def test_clips_do_not_multiply_the_work_without_bound(
    clips: list[tuple[float, float | None]], fits: bool
) -> None:
    """A recording of two seconds, of which each clip counts as ten."""
    asked = [Clip(start=start, end=end) for start, end in clips]
    async with replica(max_audio_s=30) as running:
        if fits:
            heard = await segments(running, recording(), clips=asked)
            assert [segment.text for segment in heard] == [" two two three seven five"] * len(clips)
            return
        with pytest.raises(AudioTooLong) as caught:
            await segments(running, recording(), clips=asked)
        assert caught.value.param == "clip_timestamps"


async def test_the_models_own_defaults_fill_what_a_request_leaves_out() -> None:
    async with replica(decoding={"max_new_tokens": 3}) as running:
        short = await segments(running, recording())
        whole = await segments(running, recording(), decoding={"max_new_tokens": 100})
    assert len(short[0].tokens) <= 3 < len(whole[0].tokens)


async def test_a_deadline_in_the_past_is_not_even_started() -> None:
    async with replica() as running:
        with pytest.raises(DeadlineExceeded):
            await segments(running, recording("utt12_long.wav"), deadline=time.time() - 1)
        assert running._admission.requests == 0


@pytest.mark.parametrize(
    ("fields", "audio", "error", "param"),
    [
        ({}, None, InvalidRequest, "file"),
        ({"url": "file:///etc/passwd"}, None, ForbiddenUrl, "url"),
        ({}, np.frombuffer(b"no sound at all " * 99, np.uint8), UndecodableAudio, "file"),
        ({"language": "he"}, recording(), InvalidRequest, "language"),
        ({"channels": (1,)}, recording(), NoSuchChannel, "channels"),
        ({"audio_track": "fr"}, recording(), NoSuchTrack, "audio_track"),
        ({"content_type": "audio/pcm;rate=fast"}, recording()[44:], InvalidRequest, "file"),
    ],
)
async def test_errors_name_their_field(
    fields: dict[str, Any], audio: Any, error: type[ClientError], param: str
) -> None:
    async with replica() as running:
        with pytest.raises(error) as caught:
            await segments(running, audio, **fields)
        assert caught.value.param == param
        assert (await segments(running, recording()))[0].text == " two two three seven five"


async def test_a_replica_tells_how_it_comes_up() -> None:
    board = Board()
    async with replica(board) as running:
        async with asyncio.timeout(10):
            while not board.reports or board.reports[-1].phase != "ready":
                await asyncio.sleep(0.01)
        assert board.reports[-1].languages == ("en",)
        await running.check_health()


async def test_a_model_that_does_not_load_says_why(tmp_path: Path) -> None:
    board = Board()
    with pytest.raises(ModelUnavailable, match=r"model\.bin"):
        async with replica(board, source=str(tmp_path)):
            pass
    assert board.reports[-1].phase == "failed"
    assert str(tmp_path) not in board.reports[-1].detail


async def test_a_failed_load_on_demand_leaves_the_replica_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board()

    def fetch(source: str, **_: Any) -> Path:
        if "broken" in source:
            raise ModelUnavailable("The Hub knows no such model.")
        return SAMPLES / "model"

    monkeypatch.setattr("deployments.model_host.fetch_model", fetch)
    async with replica(board, source=None, allow=["org/*"], max_loaded=1) as running:
        with pytest.raises(ModelUnavailable):
            await segments(running, recording(), model="org/broken")
        assert running._models.state.phase == "idle"
        assert await segments(running, recording(), model="org/good")
        assert running._models.state.phase == "ready"
        with pytest.raises(ModelUnavailable):
            await segments(running, recording(), model="org/broken")
        assert running._models.state.ready
        assert await segments(running, recording(), model="org/other")
    assert all(state.phase in ("starting", "idle", "ready") for state in board.reports)


async def test_a_model_that_idles_away_stays_ready_for_requests() -> None:
    board = Board()
    async with replica(board, idle_unload_s=0.05) as running:
        async with asyncio.timeout(10):
            while running._models.state.phase != "idle":
                await asyncio.sleep(0.01)
        begin = len(board.reports)
        assert (await segments(running, recording()))[0].text == " two two three seven five"
        assert all(state.ready for state in board.reports[begin:])


async def test_what_a_client_calls_a_file_does_not_matter() -> None:
    named = ((None, None), ("image/png", "a.png"), ("application/octet-stream", "speech"), ("text/plain", "a.mp3"))
    async with replica() as running:
        for content_type, name in named:
            found = await segments(running, recording(), content_type=content_type, file_name=name)
            assert [segment.text for segment in found] == [" two two three seven five"]
