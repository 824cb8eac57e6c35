"""A configuration with one model of another."""

import pytest

from serve_app.config.app import AppConfig
from serve_app.config.models import WhisperEntry

CONFIG = AppConfig.model_validate(
    {
        "models": [
            {"id": "ears", "classifier": "judge", "config": {"source": "samples/asr/model"}},
            {"id": "judge", "family": "text_classification", "config": {"source": "samples/classifier/model"}},
            {"id": "plain", "config": {"source": "samples/asr/model"}},
        ],
        "fetch": {"max_redirects": 3},
        "jobs": {},
    }
)


@pytest.mark.parametrize(("chosen", "kept"), [(0, ["judge", "ears"]), (1, ["judge"]), (2, ["plain"])])
def test_only_one_model_and_its_classifier(chosen: int, kept: list[str]) -> None:
    only = CONFIG.only(CONFIG.models[chosen])
    assert [entry.id for entry in only.models] == kept
    assert (only.jobs, only.fetch) == (None, CONFIG.fetch)


def test_the_model_may_be_one_that_was_not_there() -> None:
    entry = WhisperEntry(id="other", config={"source": "samples/asr/model"})
    assert CONFIG.only(entry).models == (entry,)
