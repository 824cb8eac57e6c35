"""Mistakes in the section ``jobs``, and the sentences that tell of them."""

from typing import Any

import pytest
from pydantic import ValidationError

from serve_app.config.app import AppConfig
from serve_app.gateway.model_index import ModelIndex
from serve_app.jobs.endpoints import Endpoints

MODELS = [
    {"id": "ears", "aliases": ["org/ears"], "config": {"source": "samples/asr/model", "queue_requests": 10}},
    {"id": "judge", "family": "text_classification", "config": {"source": "samples/classifier/model"}},
]


def config(**jobs: Any) -> AppConfig:
    return AppConfig.model_validate({"models": MODELS, "jobs": jobs})


@pytest.mark.parametrize(
    ("jobs", "told"),
    [
        ({"endpoints": {"mine": {"model": "whisper-1"}}}, "no model here; models: ears, judge"),
        ({"endpoints": {"mine": {"model": "ears", "contract": "hate-speech"}}}, "does transcription"),
        ({"endpoints": {"mine": {"model": "judge", "contract": "ivrit"}}}, "does classification"),
        ({"endpoints": {"transcribe": {"model": "ears"}}}, "there is an endpoint 'transcribe' already"),
        ({"endpoints": {"ears-legacy": {"model": "ears"}}}, "there is an endpoint 'ears-legacy' already"),
        ({"endpoints": {"a/b": {"model": "ears"}}}, "should match pattern"),
        ({"database": "postgresql://me:secret@host/jobs"}, "ANTIPHON_DATABASE_URL"),
        ({"webhooks": {"allowed_networks": ["127.0.0.1/8"]}}, "is no network such as 127.0.0.0/8"),
        ({"keep": 5}, "Extra inputs"),
    ],
)
def test_mistakes_are_told(jobs: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told) as caught:
        config(**jobs)
    assert "secret@" not in str(caught.value)


def test_endpoints_of_a_configuration() -> None:
    found = config(
        endpoints={
            "4kx8hs2": {"model": "org/ears", "contract": "openai", "http_errors": True},
            "other": {"model": "judge"},
        }
    )
    assert found.jobs is not None
    endpoints = Endpoints(ModelIndex.of(found), found.jobs.endpoints)
    assert set(endpoints) == {
        *("transcribe", "transcribe-legacy", "classify", "ears", "ears-legacy", "judge", "4kx8hs2", "other"),
    }
    mine = endpoints["4kx8hs2"]
    assert (mine.task, mine.model, mine.target, mine.contract) == ("transcription", "org/ears", "ears", "openai")
    assert mine.http_errors
    assert mine.concurrency == 5
    assert endpoints["ears-legacy"].contract == "ivrit-legacy"
