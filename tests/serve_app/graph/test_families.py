"""Every kind of entry is one case, which imports no other family."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serve_app.config.app import AppConfig
from serve_app.graph.families import classifiers_first, family_of

ROOT = Path(__file__).parents[3]
MODELS: list[dict[str, Any]] = [
    {"id": "ears", "classifier": "judge", "config": {"source": "samples/asr/model"}},
    {"id": "voice", "family": "fish_speech", "classifier": "judge", "refuse": {"hate": 0.9},
     "config": {"source": "samples/tts/model"}},
    {"id": "judge", "family": "text_classification", "moderation": {"categories": {"hate": "hate"}},
     "config": {"source": "samples/classifier/model"}},
]  # fmt: skip
CONFIG = AppConfig.model_validate({"models": MODELS, "fetch": {"max_bytes": 1_000}})
ALONE = """
import json, sys
from serve_app.config.app import AppConfig
from serve_app.graph.families import family_of
config = AppConfig.model_validate_json(sys.argv[1])
family_of(config.models[0], config)
print(json.dumps([name for name in sys.modules if name.startswith(("deployments.", "ctranslate2", "torch"))]))
"""


def test_classifiers_come_first() -> None:
    assert [entry.id for entry in classifiers_first(CONFIG.models)] == ["judge", "ears", "voice"]


@pytest.mark.parametrize("entry", CONFIG.models, ids=lambda entry: entry.id)
def test_a_deployment_is_the_replica_and_both_take_the_arguments(entry: Any) -> None:
    family = family_of(entry, CONFIG)
    assert isinstance(family.replica, type)
    assert issubclass(family.deployment.func_or_class, family.replica)
    arguments = {"states": None, **family.arguments}
    if family.classifier is not None:
        assert family.classifier == "judge"
        arguments["classifier"] = None
    family.replica(entry.id, entry.config, **arguments)  # nothing is loaded yet
    with_retries = {**arguments, "retries": 2} if family.classifier else arguments
    family.deployment.bind(entry.id, entry.config, **with_retries)


def test_what_entries_say_arrives() -> None:
    ears, voice, judge = (family_of(entry, CONFIG).arguments for entry in CONFIG.models)
    assert ears["fetching"].max_bytes == 1_000
    assert voice == {"refuse": {"hate": 0.9}}
    assert judge == {"required_labels": ("hate",)}


@pytest.mark.parametrize(
    ("model", "foreign"),
    [
        (MODELS[1], ("deployments.whisper.engine", "deployments.text_classification.deployment", "ctranslate2")),
        (MODELS[2], ("deployments.whisper.engine", "deployments.fish_speech.deployment", "ctranslate2")),
        (MODELS[0], ("deployments.fish_speech.deployment", "deployments.text_classification.deployment", "torch")),
    ],
    ids=lambda value: value["id"] if isinstance(value, dict) else "",
)
def test_a_family_imports_no_other(model: dict[str, Any], foreign: tuple[str, ...]) -> None:
    alone = json.dumps({"models": [{k: v for k, v in model.items() if k not in ("classifier", "refuse")}]})
    command = [sys.executable, "-c", ALONE, alone]
    imported = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    assert not {*foreign} & {*imported}
