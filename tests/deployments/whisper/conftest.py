"""The sample model and its recordings, loaded once."""

import json
from collections.abc import Iterator

import pytest

from deployments.whisper.config import WhisperEngineConfig
from deployments.whisper.engine import WhisperEngine
from tests.deployments.whisper.support import SAMPLES


@pytest.fixture(scope="session")
def transcripts() -> dict[str, str]:
    """File name -> spoken words."""
    entries = json.loads((SAMPLES / "testset" / "transcripts.json").read_text())
    return {entry["file"]: entry["text"] for entry in entries}


@pytest.fixture(scope="session")
def engine() -> Iterator[WhisperEngine]:
    """The sample model, with room for batches and two workers."""
    config = WhisperEngineConfig(device="cpu", compute_type="int8", workers=2, threads=1, max_batch_windows=8)
    engine = WhisperEngine(SAMPLES / "model", config)
    engine.warm_up()
    yield engine
    engine.close()
