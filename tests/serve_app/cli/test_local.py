"""Models for ``--local``: which one a name means, what comes along, what is lifted, what is imported."""

import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from deployments.errors import InvalidRequest, ModelNotFound
from deployments.model_state import ModelState
from serve_app.cli.classification.local import CLASSIFIER as CLASSIFICATION
from serve_app.cli.local import BarBoard, find_model
from serve_app.cli.progress import Bar
from serve_app.cli.speech.local import SPEECH
from serve_app.cli.transcription.local import WHISPER
from serve_app.graph.families import family_of
from tests.serve_app.cli.terminal import ROOT, UTT01, antiphon

ASR, TTS, CLASSIFIER = (str(ROOT / "samples" / name / "model") for name in ("asr", "tts", "classifier"))
HEAD = """
http_options: {host: 127.0.0.1}
applications:
  - name: antiphon
    import_path: serve_app:build
    args:
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A model with a classifier, one that loads on demand, and one of another task."""
    file = tmp_path / "config.yaml"
    file.write_text(
        f"""{HEAD}
      fetch: {{max_bytes: 1000}}
      models:
        - id: asr
          aliases: [ears]
          classifier: words
          config: {{source: {ASR}, queue_requests: 1, max_audio_s: 60}}
        - {{id: others, config: {{allow: ["hf://acme/*@*"], load: on_demand}}}}
        - {{id: words, family: text_classification, config: {{source: {CLASSIFIER}, queue_requests: 2}}}}
        - {{id: voice, family: fish_speech, config: {{source: {TTS}}}}}
"""
    )
    return file


@pytest.mark.parametrize("name", [None, "asr", "ears", "whisper-1"])
def test_a_model_of_the_configuration_comes_with_its_classifier(name: str | None, config: Path) -> None:
    model = find_model(WHISPER, name, config)
    assert model.name == "asr"
    words, asr = model.config.models
    assert (asr.id, words.id) == (model.id, "words") == ("asr", "words")
    assert asr.config.model_dump() == {
        **asr.config.model_dump(), **WHISPER.without_limits, "source": ASR, "max_audio_s": 60
    }  # fmt: skip
    assert words.config.queue_requests == 2
    assert model.config.fetch.max_bytes == 1000


def test_a_model_on_demand_is_asked_for_by_its_name(config: Path) -> None:
    model = find_model(WHISPER, "hf://acme/model@1", config)
    assert (model.name, model.id) == ("hf://acme/model@1", "others")
    assert [entry.id for entry in model.config.models] == ["others"]


def test_a_source_runs_with_the_settings_of_a_configuration_that_was_named(config: Path) -> None:
    model = find_model(WHISPER, ASR, config)
    (entry,) = model.config.models
    assert entry.id == model.name == entry.config.source == ASR
    assert entry.config.queue_requests == WHISPER.without_limits["queue_requests"]
    assert (entry.config.max_audio_s, model.config.fetch.max_bytes) == (60, 1000)  # type: ignore[union-attr]
    (entry,) = find_model(WHISPER, ASR, None).config.models
    assert entry.config.max_audio_s != 60  # type: ignore[union-attr]


def test_a_classifier_may_lack_labels_that_the_moderation_of_a_server_names(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    moderation = "{categories: {toxic: harassment}}"
    classifier = f"{{id: words, family: text_classification, moderation: {moderation}, config: {{source: "
    models = [f"{{id: asr, classifier: words, config: {{source: {ASR}}}}}", f"{classifier}{CLASSIFIER}}}}}"]
    models.append(f"{{id: voice, family: fish_speech, classifier: words, config: {{source: {TTS}}}}}")
    file.write_text(f"{HEAD}      models:\n" + "".join(f"        - {model}\n" for model in models))
    for kind in (CLASSIFICATION, WHISPER, SPEECH):
        config = find_model(kind, None, file).config
        assert family_of(config.models[0], config).arguments == {"required_labels": ()}
    result = antiphon("classify", "--local", "--config", file, "a text")
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("replica", "method", "arguments"),
    [
        ("text_classification.deployment.TextClassificationReplica", "classify", ["classify", "a text"]),
        ("whisper.deployment.WhisperReplica", "transcribe", ["transcribe", UTT01]),
        ("fish_speech.deployment.FishSpeechReplica", "speak", ["speak", "--model", TTS, "a text"]),
    ],
)
def test_what_a_model_raises_is_said(
    replica: str,
    method: str,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def failing(*_: Any) -> None:
        raise RuntimeError("boom")

    async def failing_stream(*_: Any) -> AsyncGenerator[None]:
        raise RuntimeError("boom")
        yield

    monkeypatch.setattr(f"deployments.{replica}.{method}", failing if method == "classify" else failing_stream)
    result = antiphon(arguments[0], "--local", *arguments[1:])
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Error: RuntimeError: boom\n")
    assert not caplog.records


def test_what_is_no_model(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelNotFound, match="Models for speech: voice"):
        find_model(SPEECH, "nobody", config)
    with pytest.raises(InvalidRequest, match="does transcription, not speech"):
        find_model(SPEECH, "asr", config)
    with pytest.raises(InvalidRequest, match="cannot be used"):
        find_model(SPEECH, "hf://acme/model", config)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("serve_app.cli.local.PROJECT", tmp_path)
    with pytest.raises(ModelNotFound, match=r"There is no configs/local\.yaml here"):
        find_model(SPEECH, None, None)


async def test_the_bar_says_what_the_model_is_doing(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    with Bar("", shown=False) as bar:
        monkeypatch.setattr(bar, "say", lines.append)
        board = BarBoard(bar, "asr")
        await board.report("words", "a", ModelState("loading"))
        await board.report("asr", "b", ModelState("downloading", progress=0.25))
        await board.report("asr", "b", ModelState("ready"))
    assert lines == ["downloading 25%", ""]


@pytest.mark.parametrize(
    ("client", "module"),
    [("speech.local.LocalSpeaker", "ctranslate2"), ("transcription.local.LocalTranscriber", "torch")],
)
def test_a_command_imports_what_its_own_models_need(client: str, module: str) -> None:
    package, _, name = client.rpartition(".")
    program = f"""
import asyncio, sys
from serve_app.cli.progress import Bar
from serve_app.cli.servers import ModelOptions
from serve_app.cli.{package} import {name}

with Bar("", shown=False) as bar:
    asyncio.run({name}(ModelOptions(None, True, None, None), bar)._graph.start())
assert {module!r} not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
