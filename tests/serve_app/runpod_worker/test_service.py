"""What is around the models, with models that are none; and the SDK that it is made for."""

import asyncio
import base64
import subprocess
import sys
import threading
from typing import Any

import pytest

from media.encode import encode
from serve_app.config.app import AppConfig
from serve_app.contracts.contract import JobResult
from serve_app.failures import StartFailed
from serve_app.runpod_worker.handlers import JobHandler, ProgressPosts
from serve_app.runpod_worker.service import Service
from tests.media.sound import streamed_file
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.speech_stub import RATE, tone

CONFIG = AppConfig.model_validate({"models": [{"id": "sample-asr", "config": {"source": "samples/asr/model"}}]})
JOB = {"id": "job-1", "input": {"prompt": "Hello World"}}


class Models:
    """A runtime that does what a test says."""

    def __init__(self, *, failure: str | None = None, gone: bool = False) -> None:
        self.failure, self.gone, self.closed = failure, gone, threading.Event()
        self.gateway = SpeakingGateway()

    async def start(self) -> Any:
        return self.gateway

    async def ready(self) -> None:
        if self.failure:
            raise StartFailed(self.failure)

    async def lost(self) -> None:
        if not self.gone:
            await asyncio.Event().wait()

    async def close(self) -> None:
        self.closed.set()


async def test_a_job_from_another_loop() -> None:
    models = Models()
    service = Service(CONFIG, models)
    try:
        (result,) = [item async for item in service.run(JOB, streamed=False)]
        assert isinstance(result, JobResult)
        assert result.value["text"] == "Hello World"
    finally:
        await asyncio.to_thread(service.close)
    assert models.closed.is_set()
    service.close()


async def unheard(progress: Any) -> None:
    """What nobody listens to."""


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_job_that_speaks(streaming: bool) -> None:
    models = Models()
    service = Service(CONFIG, models)
    sent = {"id": "job-1", "input": {"text": "Hello there, friend.", "format": "wav", "streaming": streaming}}
    try:
        handler = JobHandler(service, sent, ProgressPosts(unheard))
        if streaming:
            parts = [base64.b64decode(chunk["audio_chunk"]) async for chunk in handler.stream(sent)]
            sound = streamed_file([tone(models.gateway.spoken)], "wav", RATE)
        else:
            parts = [base64.b64decode((await handler.whole(sent))["audio"])]
            sound = encode(tone(models.gateway.spoken), "wav", RATE)
        assert b"".join(parts) == sound
    finally:
        await asyncio.to_thread(service.close)


async def test_models_that_do_not_start_fail_jobs_with_a_sentence() -> None:
    service = Service(CONFIG, Models(failure="Antiphon could not start a model.\n    because"))
    try:
        assert await JobHandler(service, JOB).whole(JOB) == {"error": "Antiphon could not start a model. because"}
    finally:
        await asyncio.to_thread(service.close)


async def test_models_that_go_away_are_noticed() -> None:
    lost = threading.Event()
    service = Service(CONFIG, Models(gone=True), lost=lost.set)
    try:
        assert await asyncio.to_thread(lost.wait, 10)
    finally:
        await asyncio.to_thread(service.close)


def test_results_keep_the_names_that_mean_something_to_the_sdk() -> None:
    from runpod.serverless.modules.rp_job import run_job

    class Labels(JobHandler):
        def __init__(self) -> None:
            self._streams, self._progress = False, None

            async def items() -> Any:
                yield JobResult({"error": 0.9, "refresh_worker": 0.1})

            self._items = items()

    assert asyncio.run(run_job(Labels().whole, JOB)) == {"output": {"error": 0.9, "refresh_worker": 0.1}}


def test_replicas_do_not_import_the_sdk() -> None:
    code = "import sys, serve_app.graph.app; sys.exit(any(name.split('.')[0] == 'runpod' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
