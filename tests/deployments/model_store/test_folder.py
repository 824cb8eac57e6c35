"""Spellings of model sources, local folders, and the pace of progress."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from deployments.errors import InvalidRequest, ModelUnavailable
from deployments.model_store import DownloadProgress, ModelSource, fetch_model, hub_source, parse_source
from deployments.model_store.progress import Meter
from deployments.model_store.source import HubSource, LocalSource, S3Source

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("samples/asr/model", LocalSource("samples/asr/model")),
        ("/models/whisper", LocalSource("/models/whisper")),
        (f"hf://org/name@{COMMIT}", HubSource("org/name", COMMIT)),
        ("hf://org/name.v2@refs/pr/3", HubSource("org/name.v2", "refs/pr/3")),
        ("s3://bucket/models/whisper/", S3Source("bucket", "models/whisper")),
        ("s3://bucket", S3Source("bucket", "")),
    ],
)
def test_a_source_has_three_spellings(text: str, parsed: object) -> None:
    assert parse_source(text) == parsed
    assert TypeAdapter(ModelSource).validate_python(text) == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a local folder, hf://"),
        (" samples/asr/model", "a local folder, hf://"),
        ("https://example.org/model", "https:// is not known"),
        ("hf://org/name", "names no revision; pin one"),
        ("hf://org/name@", "names no revision; pin one"),
        ("hf://name@main", "no repository of the form org/name"),
        ("hf://org/../name@main", "no repository of the form org/name"),
        ("hf://org/name@../../x", "is no revision"),
        ("s3:///prefix", "is no bucket name"),
        ("s3://bucket/a//b", "empty or a dotted part"),
        ("s3://bucket/../b", "empty or a dotted part"),
    ],
)
def test_a_wrong_source_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        TypeAdapter(ModelSource).validate_python(text)
    with pytest.raises(ModelUnavailable, match=sentence):
        fetch_model(text)


def test_only_a_commit_hash_is_pinned() -> None:
    assert HubSource("org/name", COMMIT).pinned
    assert not HubSource("org/name", "main").pinned


def test_a_request_may_name_a_repository() -> None:
    assert hub_source("Systran/faster-whisper-tiny") == "hf://Systran/faster-whisper-tiny@main"
    for name in ("tiny", "a/b/c", "../b", "a/b@main", "a/..b..", ""):
        with pytest.raises(InvalidRequest, match="org/name") as caught:
            hub_source(name)
        assert caught.value.param == "model"


def test_a_local_folder_is_used_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model" / "sub").mkdir(parents=True)
    (tmp_path / "model" / "sub" / "model.bin").write_bytes(b"x")
    assert fetch_model(str(tmp_path / "model")) == tmp_path / "model"
    monkeypatch.chdir(tmp_path)
    assert fetch_model("model", patterns=["sub/*.bin"]) == tmp_path / "model"
    with pytest.raises(ModelUnavailable, match=r"none of the files of a model: config\.json"):
        fetch_model("model", patterns=["config.json"])


def test_a_relative_folder_may_be_below_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert fetch_model("samples/asr/model", patterns=["model.bin"]).joinpath("model.bin").is_file()


def test_a_missing_folder_is_named_and_the_scheme_suggested() -> None:
    with pytest.raises(ModelUnavailable, match=r"no folder 'org/name'\. If .* write hf://org/name@<revision>"):
        fetch_model("org/name")


def test_progress_is_told_at_a_readable_pace_and_at_the_end() -> None:
    reports: list[DownloadProgress] = []
    now = [0.0]
    meter = Meter(reports.append, 100, clock=lambda: now[0])
    for now[0] in (1.0, 1.125, 1.25, 1.5):
        meter.add(20)
    meter.add(-50)
    meter.add(60)
    meter.finish()
    assert [progress.done for progress in reports] == [20, 60, 80, 100]
    assert reports[-1].fraction == 1.0
    assert DownloadProgress(1, 4).fraction == 0.25
    assert DownloadProgress(0, 0).fraction == 1.0
