"""What is special about voices in a bucket: few requests, bounded memory, odd keys, and a store that is away."""

from pathlib import Path
from typing import Any

import pytest

from deployments.errors import ModelUnavailable, VoiceNotFound
from deployments.fish_speech.types import VoiceChange
from deployments.fish_speech.voices import s3_store
from deployments.fish_speech.voices.s3_objects import S3Objects
from tests.deployments.fish_speech.voices.support import Bucket, Folder, library, new_voice, recording

LOW, HIGH = recording(220), recording(880)


def test_a_bucket_is_not_asked_again_and_again(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("list", "get"):
        usual = getattr(S3Objects, name)
        monkeypatch.setattr(
            S3Objects, name, lambda *given, usual=usual, name=name: (asked.append(name), usual(*given))[1]
        )
    now = [0.0]
    monkeypatch.setattr(s3_store, "monotonic", lambda: now[0])
    writer, reader = library(bucket), library(bucket)
    writer.add(new_voice("one", "a"), [LOW])
    asked.clear()
    assert reader.recordings("one") == reader.recordings("one")
    assert asked == ["list", "get", "get"]
    assert reader.list() == reader.list()
    assert asked[3:] == ["list", "get"], "voice.json is new to it"
    writer.delete("one")
    writer.add(new_voice("one", "b"), [HIGH])
    writer.add(new_voice("two", "c"), [HIGH])
    now[0] = 1.9
    assert [voice.id for voice in reader.list()] == ["one"]
    assert reader.get("two").texts == ("c",), "what is not known is asked for at once"
    now[0] = 4
    assert [voice.texts for voice in reader.list()] == [("b",), ("c",)]
    assert [one.audio for one in reader.recordings("one")] == [HIGH]


def test_a_listing_from_before_a_change_is_not_believed_after_it(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = library(bucket)
    ours.add(new_voice("one"), [LOW])
    usual, listed = S3Objects.list, []

    def overtaken(self: S3Objects, below: str = "") -> Any:
        objects = list(usual(self, below))
        listed.append(below)
        if len(listed) == 1:
            ours.add(new_voice("two"), [LOW])
        return iter(objects)

    monkeypatch.setattr(S3Objects, "list", overtaken)
    assert [voice.id for voice in ours.list()] == ["one"]
    assert [voice.id for voice in ours.list()] == ["one", "two"]


def test_what_a_renamed_voice_leaves_behind_is_not_seen(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = library(bucket)
    ours.add(new_voice("one", "a", "b"), [LOW, HIGH])
    usual = S3Objects.delete

    def refused(self: S3Objects, path: str) -> None:
        if path == "one/002.wav":
            raise ModelUnavailable("The store is away.")
        usual(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(S3Objects, "delete", refused)
        ours.change("one", VoiceChange(id="two"))
    assert "one/002.wav" in bucket.paths()
    assert [voice.id for voice in library(bucket).list()] == ["two"]
    monkeypatch.setattr(s3_store, "_ABANDONED_S", -60)
    ours.add(new_voice("one", "new"), [LOW])
    assert [(voice.id, voice.texts) for voice in ours.list()] == [("one", ("new",)), ("two", ("a", "b"))]
    assert "one/002.wav" not in bucket.paths()


def test_odd_keys_and_ids_are_nothing_to_a_bucket(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = ("../x", "a/../x", "a//x", "/a/x", "./x", "a/./x", ".a/x", "a\\b/x", " /x", "\u202ea/x", "x")
    for path in (*odd, "good/x"):
        bucket.put(f"{path}.wav", LOW)
        bucket.put(f"{path}.lab", path.encode())
    ours = library(bucket)
    assert [(voice.id, voice.texts) for voice in ours.list()] == [("good", ("good/x",))]
    asked: list[str] = []
    usual = S3Objects.list
    monkeypatch.setattr(S3Objects, "list", lambda self, below="": (asked.append(below), usual(self, below))[1])
    for voice_id in (
        "",
        "..",
        ".",
        "/",
        "../de-old/other",
        "..//de",
        "good/..",
        "good/",
        "/good",
        "a/..",
        "a\\b",
        "good\0",
    ):
        for act in (ours.get, ours.recordings, ours.delete):
            with pytest.raises(VoiceNotFound, match="The voices are: 'good'"):
                act(voice_id)
    assert set(asked) <= {""}, "nothing is asked about what can be no id"


def test_the_memory_of_a_bucket_is_bounded(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_store, "_CACHE_BYTES", 3 * len(LOW) - 1)
    monkeypatch.setattr(s3_store, "_MOST_LISTINGS", 2)
    for number in range(4):
        bucket.put(f"v{number}/a.wav", LOW)
        bucket.put(f"v{number}/a.lab", b"x")
    store = s3_store.S3Store(*bucket.name.removeprefix("s3://").split("/", 1))
    for number in range(4):
        assert None not in store.read(store.files(f"v{number}"))
    assert store._cached_bytes == sum(map(len, store._contents.values())) < 3 * len(LOW)
    assert len(store._listings) == 2


@pytest.mark.usefixtures("s3_environment")
def test_what_a_bucket_lacks_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing = Folder(tmp_path)
    missing.name = "s3://no-such-bucket/x"
    with pytest.raises(ModelUnavailable, match="The bucket of the voices, 'no-such-bucket', does not exist"):
        library(missing).list()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("deployments.fish_speech.voices.s3_objects._CONFIG", None)
    with pytest.raises(ModelUnavailable, match=r"The store of the voices cannot be reached\. Try again"):
        library(missing).get("one")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ModelUnavailable, match="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        library(missing).get("one")
