"""Inputs of jobs as the clients of the seeds send them, with a shipped recording."""

import base64
import functools
from typing import Any

from tests.serve_app.runpod_worker.running import AUDIO

WORDS = "two two three seven five"


@functools.cache
def blob(name: str = "utt01.wav") -> str:
    return base64.b64encode((AUDIO / name).read_bytes()).decode()


def ivrit_job(name: str = "utt01.wav", **changes: Any) -> dict[str, Any]:
    """What the ``ivrit`` package sends."""
    arguments = {
        "language": "en",
        "diarize": False,
        "diarization_args": None,
        "output_options": {"word_timestamps": True, "extra_data": True},
        "verbose": False,
        "blob": blob(name),
        **changes,
    }
    return {
        "type": "blob",
        "model": "ivrit-ai/whisper-large-v3-turbo-ct2",
        "engine": "faster-whisper",
        "streaming": True,
        "transcribe_args": arguments,
    }


def text_of(chunks: list[Any]) -> str:
    entries = [entry for chunk in chunks for entry in chunk]
    return " ".join(s["text"].strip() for e in entries if e["type"] == "segments" for s in e["data"])
