"""Models of the Hub: the real client against an imitation of the site."""

import os
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

from deployments.errors import ModelUnavailable
from deployments.model_store import DownloadProgress, fetch_model
from tests.deployments.model_store.hub_site import COMMIT, LATER_COMMIT, HubSite

FILES = {"config.json": b'{"a": 1}', "model.bin": os.urandom(2_000_000), "README.md": b"# not wanted"}
PATTERNS = ("config.json", "model.bin", "vocabulary.*")
PINNED = f"hf://org/name@{COMMIT}"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSite]:
    for name in ("ANTIPHON_OFFLINE", "HF_HUB_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    constants = huggingface_hub.constants
    with HubSite(FILES) as site:
        monkeypatch.setattr(constants, "ENDPOINT", site.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", site.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield site


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_pinned_revision_is_downloaded_once(hub: HubSite) -> None:
    reports: list[DownloadProgress] = []
    folder = fetch_model(PINNED, patterns=PATTERNS, on_progress=reports.append)
    assert contents(folder) == {name: FILES[name] for name in ("config.json", "model.bin")}
    total = len(FILES["config.json"]) + len(FILES["model.bin"])
    assert reports[-1] == DownloadProgress(total, total)
    hub.requests.clear()
    reports.clear()
    assert fetch_model(PINNED, patterns=PATTERNS, on_progress=reports.append) == folder
    assert not hub.requests, "a pinned model that is here needs no network"
    assert not reports


def test_a_branch_follows_the_repository(hub: HubSite) -> None:
    old = fetch_model("hf://org/name@main", patterns=PATTERNS)
    hub.files[LATER_COMMIT] = {**FILES, "config.json": b"{}"}
    hub.main = LATER_COMMIT
    new = fetch_model("hf://org/name@main", patterns=PATTERNS)
    assert (old / "config.json").read_bytes() == FILES["config.json"]
    assert (new / "config.json").read_bytes() == b"{}"


def test_a_cut_connection_is_continued(hub: HubSite) -> None:
    hub.broken_after = 1_000_000
    reports: list[DownloadProgress] = []
    folder = fetch_model(PINNED, patterns=PATTERNS, on_progress=reports.append)
    assert hub.broken == {"model.bin"}
    assert (folder / "model.bin").read_bytes() == FILES["model.bin"]
    assert reports[-1].fraction == 1.0


@pytest.mark.parametrize("switch", ["ANTIPHON_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_only_the_cache_is_used(hub: HubSite, monkeypatch: pytest.MonkeyPatch, switch: str) -> None:
    monkeypatch.setenv(switch, "1")
    with pytest.raises(
        ModelUnavailable, match=r"org/name@0123.* is not complete in the cache, and HF_HUB_OFFLINE"
    ):
        fetch_model(PINNED, patterns=PATTERNS)
    monkeypatch.delenv(switch)
    folder = fetch_model(PINNED, patterns=["config.json"])
    monkeypatch.setenv(switch, "1")
    hub.requests.clear()
    assert fetch_model(PINNED, patterns=["config.json"]) == folder
    with pytest.raises(ModelUnavailable, match="is not complete in the cache"):
        fetch_model(PINNED, patterns=PATTERNS)
    assert not hub.requests


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (401, "RepoNotFound", "has no repository org/name, or the token in HF_TOKEN may not read it"),
        (404, "RepoNotFound", "has no repository org/name, or the token"),
        (403, "GatedRepo", "is gated. Ask for access on its page"),
        (401, "", "has no repository org/name, or the token|does not let org/name"),
        (403, "", "does not let org/name@0123.* be read .403.. Set HF_TOKEN"),
        (501, "", "did not deliver org/name@0123.*: it answered 501"),
    ],
)
def test_a_refusal_becomes_a_sentence(hub: HubSite, status: int, code: str, sentence: str) -> None:
    hub.answers["org/name"] = (status, code)
    with pytest.raises(ModelUnavailable, match=sentence):
        fetch_model(PINNED, patterns=PATTERNS)


def test_an_unknown_revision_is_named(hub: HubSite) -> None:
    with pytest.raises(ModelUnavailable, match="org/name has no revision 'v9'"):
        fetch_model("hf://org/name@v9", patterns=PATTERNS)


def test_a_private_repository_is_read_with_the_token(hub: HubSite, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = "secret"
    with pytest.raises(ModelUnavailable, match="a private repository needs a token"):
        fetch_model(PINNED, patterns=PATTERNS)
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert fetch_model(PINNED, patterns=PATTERNS).is_dir()


def test_an_unreachable_hub_is_said(hub: HubSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("time.sleep", lambda _: None)  # the client's pauses before it tries again
    with pytest.raises(ModelUnavailable, match="The Hub cannot be reached"):
        fetch_model(PINNED, patterns=PATTERNS)


def test_a_repository_without_a_model_is_refused(hub: HubSite) -> None:
    with pytest.raises(ModelUnavailable, match=r"holds none of the files of a model: model\.safetensors"):
        fetch_model(PINNED, patterns=["model.safetensors"])


def test_a_damaged_file_is_named(hub: HubSite) -> None:
    folder = fetch_model(PINNED, patterns=PATTERNS)
    (folder / "model.bin").resolve().write_bytes(b"short")
    with pytest.raises(ModelUnavailable, match=r"model.bin of org/name@0123.* is damaged"):
        fetch_model(PINNED, patterns=PATTERNS)
