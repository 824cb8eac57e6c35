"""Models in a bucket, served by moto over real HTTP."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from deployments.errors import ModelUnavailable
from deployments.model_store import DownloadProgress, fetch_model

FILES = {"config.json": b"{}", "model.bin": os.urandom(3_000_000), "sub/vocabulary.json": b"[]"}
PATTERNS = ("*.json", "model.bin")


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedMotoServer]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bucket(
    server: ThreadedMotoServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Any:
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "ANTIPHON_CACHE": str(tmp_path / "cache"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ANTIPHON_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    name = f"models-{abs(hash(request.node.name))}"
    bucket = boto3.resource("s3").create_bucket(Bucket=name)
    for key, data in FILES.items():
        bucket.put_object(Key=f"whisper/tiny/{key}", Body=data)
    bucket.put_object(Key="whisper/tiny-large/model.bin", Body=b"another model")
    bucket.put_object(Key="whisper/tiny/", Body=b"")
    bucket.put_object(Key="whisper/tiny/README.md", Body=b"not wanted")
    return bucket


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_prefix_becomes_a_folder_and_stays_one(bucket: Any) -> None:
    reports: list[DownloadProgress] = []
    folder = fetch_model(f"s3://{bucket.name}/whisper/tiny", patterns=PATTERNS, on_progress=reports.append)
    assert contents(folder) == FILES
    total = sum(map(len, FILES.values()))
    assert reports[-1] == DownloadProgress(total, total)
    assert [progress.done for progress in reports] == sorted(progress.done for progress in reports)
    reports.clear()
    assert fetch_model(f"s3://{bucket.name}/whisper/tiny", patterns=PATTERNS, on_progress=reports.append) == folder
    assert not reports, "what is here is not downloaded again"


def test_a_changed_object_makes_a_new_folder(bucket: Any) -> None:
    source = f"s3://{bucket.name}/whisper/tiny"
    old = fetch_model(source, patterns=PATTERNS)
    bucket.put_object(Key="whisper/tiny/config.json", Body=b"[]")
    new = fetch_model(source, patterns=PATTERNS)
    assert new != old
    assert contents(old) == FILES
    assert contents(new) == {**FILES, "config.json": b"[]"}


KILLED = """
import sys, time
from deployments.model_store import fetch_model

def hang(progress):
    if progress.done > 2:
        print("downloading", flush=True)
        time.sleep(60)

fetch_model(sys.argv[1], patterns=["config.json", "model.bin"], on_progress=hang)
"""


def test_a_killed_download_is_not_taken_for_whole_and_is_continued(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source, patterns = f"s3://{bucket.name}/whisper/tiny", ("config.json", "model.bin")
    with subprocess.Popen([sys.executable, "-c", KILLED, source], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"downloading\n"
        child.kill()
    (partial,) = tmp_path.rglob("*.partial")
    assert (partial / "config.json").read_bytes() == b"{}"
    (partial / "model.bin.1a2b3c4d").write_bytes(b"what a killed process leaves")
    monkeypatch.setenv("ANTIPHON_OFFLINE", "1")
    with pytest.raises(ModelUnavailable, match="not in the cache, and ANTIPHON_OFFLINE"):
        fetch_model(source, patterns=patterns)
    monkeypatch.delenv("ANTIPHON_OFFLINE")
    reports: list[DownloadProgress] = []
    folder = fetch_model(source, patterns=patterns, on_progress=reports.append)
    assert contents(folder) == {name: FILES[name] for name in patterns}
    assert reports[0].done == len(FILES["config.json"]), "the whole file of the first attempt counts as done"
    assert not partial.exists()


def test_a_damaged_cache_is_repaired(bucket: Any) -> None:
    source = f"s3://{bucket.name}/whisper/tiny"
    folder = fetch_model(source, patterns=PATTERNS)
    (folder / "model.bin").write_bytes(b"short")
    assert contents(fetch_model(source, patterns=PATTERNS)) == FILES


def test_without_the_network_the_last_whole_folder_serves(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = f"s3://{bucket.name}/whisper/tiny"
    folder = fetch_model(source, patterns=PATTERNS)
    monkeypatch.setenv("ANTIPHON_OFFLINE", "1")
    assert fetch_model(source, patterns=PATTERNS) == folder
    with pytest.raises(ModelUnavailable, match="not in the cache, and ANTIPHON_OFFLINE"):
        fetch_model(source, patterns=["other"])
    monkeypatch.delenv("ANTIPHON_OFFLINE")
    monkeypatch.setattr("deployments.model_store.s3._CONFIG", None)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert fetch_model(source, patterns=PATTERNS) == folder
    with pytest.raises(ModelUnavailable, match="not in the cache, and S3 cannot be reached"):
        fetch_model(source, patterns=["other"])


@pytest.mark.parametrize("key", ["../evil.bin", "a/../../evil.bin", "/etc/evil", "a\\..\\evil.bin", "./evil"])
def test_a_key_that_leaves_the_folder_is_refused(bucket: Any, key: str, tmp_path: Path) -> None:
    bucket.put_object(Key=f"whisper/tiny/{key}", Body=b"evil")
    with pytest.raises(ModelUnavailable, match="whose name leaves the folder"):
        fetch_model(f"s3://{bucket.name}/whisper/tiny")
    assert not list(tmp_path.rglob("*evil*"))


def test_what_is_missing_is_said(bucket: Any) -> None:
    with pytest.raises(ModelUnavailable, match="no files of a model below s3://"):
        fetch_model(f"s3://{bucket.name}/whisper/none")
    with pytest.raises(ModelUnavailable, match="s3://no-such-bucket/x does not exist"):
        fetch_model("s3://no-such-bucket/x")


def test_missing_credentials_are_said(bucket: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ModelUnavailable, match="Set AWS_ACCESS_KEY_ID"):
        fetch_model(f"s3://{bucket.name}/whisper/tiny")


def test_a_full_disk_is_said_before_the_download(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "deployments.model_store.environment.shutil.disk_usage", lambda _: type("Usage", (), {"free": 5})
    )
    with pytest.raises(ModelUnavailable, match=r"needs 3 MB of disk, 5 bytes are free"):
        fetch_model(f"s3://{bucket.name}/whisper/tiny", patterns=PATTERNS)


def test_several_callers_share_one_download(bucket: Any) -> None:
    source = f"s3://{bucket.name}/whisper/tiny"
    moved = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        reports: list[DownloadProgress] = []
        results = pool.map(
            lambda _: fetch_model(
                source, patterns=PATTERNS, on_progress=lambda p: (reports.append(p), moved.set())
            ),
            range(4),
        )
        assert len(set(results)) == 1
    assert moved.is_set()
    assert sum(progress.done == progress.total for progress in reports) <= 2, "one of them downloads"
