"""The configuration of the worker's image, and the files of RunPod's Hub."""

import json
import re
from pathlib import Path

from serve_app.config.serve_yaml.load import load
from serve_app.runpod_worker import options, sent_job

ROOT = Path(__file__).parents[3]


def test_the_lines_that_make_the_worker_speak(tmp_path: Path) -> None:
    text = (ROOT / "configs" / "runpod.yaml").read_text()
    begin = text.index("        # - id: fish-speech")
    config = tmp_path / "runpod.yaml"
    config.write_text(text[:begin] + re.sub(r"(?m)^( +)# (?=- | )", r"\1", text[begin:]))
    (app,) = load(config).applications
    assert app.config.models[-1].id in app.overrides
    assert app.config.models[-1].license == "CC-BY-NC-SA-4.0"


def test_the_hubs_files_say_what_they_have_to() -> None:
    hub = json.loads((ROOT / ".runpod" / "hub.json").read_text())
    tests = json.loads((ROOT / ".runpod" / "tests.json").read_text())
    assert {"title", "description", "type", "category", "config"} <= set(hub)
    assert hub["config"]["runsOn"] == "GPU"
    choices = {entry["key"]: entry["input"] for entry in hub["config"]["env"]}
    for runtime in choices["RUNTIME"]["options"]:
        options.read([], {"RUNTIME": runtime["value"]})
    for contract in choices["ANTIPHON_CONTRACT"]["options"]:
        options.read([], {"ANTIPHON_CONTRACT": contract["value"]})
    for preset in hub["config"]["presets"]:
        assert set(preset["defaults"]) <= set(choices)
    for test in tests["tests"]:
        sent_job.input_of(test)
        assert test["timeout"] > 0
    sent_job.input_of(json.loads((ROOT / "test_input.json").read_text()))
