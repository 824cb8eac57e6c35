"""Places for voices: a folder, and a bucket of an S3 server of our own."""

from collections.abc import Iterator
from pathlib import Path

import boto3.session
import pytest

from tests.deployments.fish_speech.voices.support import Bucket, Folder, Place


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # slow to import, and few need it

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def s3_environment(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def s3_session() -> boto3.session.Session:
    """One for all libraries: each loads megabytes of JSON."""
    return boto3.session.Session("key", "secret", region_name="us-east-1")


@pytest.fixture
def bucket(
    s3_environment: None,
    s3_session: boto3.session.Session,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Bucket:
    monkeypatch.setattr(boto3.session, "Session", lambda: s3_session)
    return Bucket(f"voices-{abs(hash(request.node.name))}")


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "bucket":
        kept: Place = request.getfixturevalue("bucket")
        return kept
    return Folder(tmp_path / "library")
