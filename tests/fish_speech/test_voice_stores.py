"""The same library in a folder and in a bucket: what is kept, what is seen, and what failures leave behind."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from moto.server import ThreadedMotoServer

from deployments.errors import ModelUnavailable, Overloaded, VoiceConflict, VoiceNotFound
from deployments.fish_speech.types import VoiceChange, VoiceDetails
from deployments.fish_speech.voices import folder, s3
from deployments.fish_speech.voices.s3_objects import S3Objects
from tests.fish_speech.voice_support import Bucket, Folder, Place, library, new_voice, recording

LOW, HIGH = recording(220), recording(880)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def environment(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def session() -> boto3.session.Session:
    """One for all libraries: each loads megabytes of JSON."""
    return boto3.session.Session("key", "secret", region_name="us-east-1")


@pytest.fixture
def bucket(
    environment: None,
    session: boto3.session.Session,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Bucket:
    monkeypatch.setattr(boto3.session, "Session", lambda: session)
    return Bucket(f"voices-{abs(hash(request.node.name))}")


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "bucket":
        kept: Place = request.getfixturevalue("bucket")
        return kept
    return Folder(tmp_path / "library")


def told_by_us(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name.startswith("deployments.")]


def test_a_voice_is_kept(place: Place) -> None:
    ours = library(place)
    assert ours.list() == []
    before = time.time()
    details = {"title": "Anna", "description": "warm, née früh", "tags": ("a", "b"), "languages": ("de",)}
    voice = ours.add(new_voice("anna 1", " Guten Morgen! ", "Wie geht's?", **details), [LOW, HIGH])
    assert (voice.id, voice.texts) == ("anna 1", ("Guten Morgen!", "Wie geht's?"))
    assert voice.details == VoiceDetails(**details)
    assert before <= voice.created == voice.updated <= time.time()
    assert not voice.shipped
    for seen_by in (ours, library(place)):
        assert seen_by.list() == [voice]
        assert seen_by.get("anna 1") == voice
        first, second = seen_by.recordings("anna 1")
        assert (first.text, first.audio) == ("Guten Morgen!", LOW)
        assert (second.text, second.audio) == ("Wie geht's?", HIGH)
        assert len({first.sha256, second.sha256}) == 2
    assert place.paths() == [
        "anna 1",
        *(f"anna 1/{name}" for name in ("001.lab", "001.wav", "002.lab", "002.wav", "voice.json")),
    ]


def test_folders_of_the_original_are_readable_as_they_are(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    for name, text in {"take 10.WAV": "ten", "take 9.mp3": "nine", "more/take 11.flac": "eleven"}.items():
        place.put(f"小明/{name}", name.encode())
        place.put(f"小明/{name.rsplit('.')[0]}.lab", b"\xef\xbb\xbf" + text.encode() + b"\n")
    place.put("小明/alone.wav", b"no transcript")
    place.put("小明/empty.wav", b"an empty one")
    place.put("小明/empty.lab", b" \n")
    place.put("小明/latin.wav", b"one of another time")
    place.put("小明/latin.lab", "früh".encode("latin-1"))
    place.put("小明/notes.txt", b"-")
    place.put("silent/a.wav", b"x")
    place.put("silent/a.txt", b"x")
    place.put(".hidden/a.wav", b"x")
    place.put(".hidden/a.lab", b"x")
    place.put("loose.wav", b"x")
    place.put("loose.lab", b"x")
    ours = library(place)
    (voice,) = ours.list()
    assert (voice.id, voice.texts) == ("小明", ("eleven", "nine", "ten"))  # "more/" before "take"
    assert abs(voice.created - time.time()) < 60
    assert [(one.text, one.audio) for one in ours.recordings("小明")] == [
        ("eleven", b"more/take 11.flac"),
        ("nine", b"take 9.mp3"),
        ("ten", b"take 10.WAV"),
    ]
    ours.recordings("小明")
    for name, why in {"alone": "no transcript", "empty": "empty", "latin": "not in UTF-8"}.items():
        (line,) = [one for one in told_by_us(caplog) if f"{name}.wav" in one]
        assert why in line, "what is left out is said, and only once"
    for voice_id in ("silent", ".hidden", "loose", "loose.wav", "", "小明/more/x", "小明/none", "other"):
        with pytest.raises(VoiceNotFound):
            ours.recordings(voice_id)


def test_order_is_natural(place: Place) -> None:
    for name in ("b10", "b9", "B1", "a02", "a1", "a"):
        place.put(f"{name}/x.wav", b"x")
        place.put(f"{name}/x.lab", b"x")
    assert [voice.id for voice in library(place).list()] == ["a", "a1", "a02", "B1", "b9", "b10"]


def test_speakers_with_emotions(place: Place) -> None:
    for emotion, text in {"happy": "hooray", "sad": "alas"}.items():
        place.put(f"anna/{emotion}/1.wav", LOW)
        place.put(f"anna/{emotion}/1.lab", text.encode())
    place.put("ben/1.wav", HIGH)
    place.put("ben/1.lab", b"well")
    place.put("ben/more/2.wav", HIGH)
    place.put("ben/more/2.lab", b"then")
    ours = library(place)
    assert [(voice.id, voice.texts) for voice in ours.list()] == [
        ("anna/happy", ("hooray",)),
        ("anna/sad", ("alas",)),
        ("ben", ("well", "then")),
    ]
    assert ours.get("anna/sad").texts == ("alas",)
    assert ours.get("anna").texts == ("hooray", "alas"), "all of a folder, as version 1.5 reads it"
    assert [one.text for one in ours.recordings("ben/more")] == ["then"]
    for act in (ours.delete, lambda name: ours.change(name, VoiceChange(id="new"))):
        with pytest.raises(
            VoiceConflict, match="'anna' is a speaker; name one of the voices 'anna/happy', 'anna/sad'"
        ):
            act("anna")
    changed = ours.change("anna/sad", VoiceChange(details=VoiceDetails(title="Sad")))
    assert (changed.id, library(place).get("anna/sad").details.title) == ("anna/sad", "Sad")
    with pytest.raises(VoiceConflict):
        ours.change("anna/sad", VoiceChange(id="anna"))
    assert ours.change("anna/sad", VoiceChange(id="sad anna")).id == "sad anna"
    ours.delete("anna/happy")
    assert [voice.id for voice in ours.list()] == ["ben", "sad anna"]
    assert not [path for path in place.paths() if path.startswith("anna")]


def test_voices_are_described_and_renamed(place: Place) -> None:
    ours, theirs = library(place), library(place)
    place.put("old/a.wav", LOW)
    place.put("old/a.lab", b"one")
    old = ours.get("old")
    told = ours.change("old", VoiceChange(details=VoiceDetails(title="T", tags=("x",))))
    assert told == theirs.get("old")
    assert (told.id, told.texts, told.created) == ("old", ("one",), old.created)
    assert (told.details.title, told.details.tags) == ("T", ("x",))
    assert told.updated > told.created
    renamed = ours.change("old", VoiceChange(id="new"))
    assert renamed == ours.get("new") == library(place).get("new")
    assert (renamed.texts, renamed.details, renamed.created) == (("one",), told.details, told.created)
    both = ours.change("new", VoiceChange(id="newer", details=VoiceDetails(description="D")))
    assert both == library(place).get("newer")
    assert (both.details.title, both.details.description) == ("", "D")
    assert ours.change("newer", VoiceChange()).details == both.details
    assert [one.audio for one in ours.recordings("newer")] == [LOW]
    assert [voice.id for voice in library(place).list()] == ["newer"]
    for gone in ("old", "new"):
        with pytest.raises(VoiceNotFound, match=f"There is no voice '{gone}'. The voices are: 'newer'."):
            ours.change(gone, VoiceChange(id="x"))


def test_what_is_taken_stays(place: Place) -> None:
    ours = library(place)
    first = ours.add(new_voice("one", "first"), [LOW])
    second = ours.add(new_voice("two", "second"), [HIGH])
    with pytest.raises(VoiceConflict, match="There is a voice 'one' already"):
        library(place).add(new_voice("one", "third"), [HIGH])
    with pytest.raises(VoiceConflict, match="There is a voice 'one' already"):
        ours.change("two", VoiceChange(id="one", details=VoiceDetails(title="changed")))
    assert library(place).list() == [first, second]
    place.put("rest/notes.txt", b"no voice, but somebody's")
    with pytest.raises(VoiceConflict):
        ours.add(new_voice("rest"), [LOW])
    assert "rest/notes.txt" in place.paths()
    assert "rest/001.wav" not in place.paths()


def test_a_deleted_voice_leaves_nothing(place: Place) -> None:
    ours = library(place)
    ours.add(new_voice("one", "a", "b"), [LOW, HIGH])
    ours.delete("one")
    assert place.paths() == []
    for act in (ours.get, ours.delete, ours.recordings):
        with pytest.raises(VoiceNotFound, match="There is no voice 'one'; no voices are kept here yet"):
            act("one")
    assert ours.add(new_voice("one", "again"), [LOW]).texts == ("again",)


def test_there_are_no_more_voices_than_configured(place: Place) -> None:
    ours = library(place, most=2)
    ours.add(new_voice("a"), [LOW])
    ours.add(new_voice("b"), [LOW])
    with pytest.raises(VoiceConflict, match="There are 2 voices already, and no more are kept; delete one first"):
        ours.add(new_voice("c"), [LOW])
    ours.change("b", VoiceChange(id="c"))
    ours.delete("a")
    ours.add(new_voice("d"), [LOW])
    assert [voice.id for voice in ours.list()] == ["c", "d"]


def test_metadata_of_others_is_not_believed(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    broken = [
        b"",
        b"[]",
        b"{",
        b'{"title": 5}',
        b'{"created": NaN}',
        b'{"created": "x"}',
        b"\xff",
        b" " * (2 << 20),
    ]
    for number, content in enumerate(broken):
        place.put(f"v{number}/a.wav", b"x")
        place.put(f"v{number}/a.lab", b"x")
        place.put(f"v{number}/voice.json", content)
    place.put("good/a.wav", b"x")
    place.put("good/a.lab", b"x")
    place.put("good/voice.json", b'{"title": "T", "colour": "red", "created": 5, "updated": 7}')
    good, *others = library(place).list()
    assert (good.details, good.created, good.updated) == (VoiceDetails(title="T"), 5, 7)
    assert len(others) == len(broken)
    assert {voice.details for voice in others} == {VoiceDetails()}
    assert all(abs(voice.created - time.time()) < 60 for voice in others)
    assert any("v3/voice.json is ignored" in line for line in caplog.messages)


class Failure(Exception):
    """What a write ends with."""


def fail_at(place: Place, number: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let one write fail; how many there were is the list's length."""
    writes: list[int] = []

    def count(write: Any) -> Any:
        def counted(*arguments: Any) -> Any:
            writes.append(len(writes))
            if len(writes) - 1 == number:
                raise Failure
            return write(*arguments)

        return counted

    if isinstance(place, Folder):
        monkeypatch.setattr(folder, "_write", count(folder._write))
        monkeypatch.setattr(folder.Path, "rename", count(folder.Path.rename))
        monkeypatch.setattr(folder.Path, "replace", count(folder.Path.replace))
    else:
        for name in ("put", "put_if", "copy"):
            monkeypatch.setattr(S3Objects, name, count(getattr(S3Objects, name)))
    return writes


def test_a_write_that_fails_leaves_nothing(place: Place) -> None:
    ours = library(place)
    for number in range(20):
        with pytest.MonkeyPatch.context() as patch:
            writes = fail_at(place, number, patch)
            try:
                ours.add(new_voice("one", "a", "b"), [LOW, HIGH])
            except Failure:
                assert place.paths() == []
                assert ours.list() == []
            else:
                break
    assert len(writes) == number == 6
    assert ours.get("one").texts == ("a", "b")


def test_a_change_that_fails_changes_nothing(place: Place) -> None:
    ours = library(place)
    before = ours.add(new_voice("one", "a", "b", title="before"), [LOW, HIGH])
    for number in range(20):
        with pytest.MonkeyPatch.context() as patch:
            writes = fail_at(place, number, patch)
            try:
                ours.change("one", VoiceChange(id="two", details=VoiceDetails(title="after")))
            except Failure:
                assert library(place).list() == [before]
                assert not [path for path in place.paths() if not path.startswith("one")]
            else:
                break
    assert len(writes) > 2
    (after,) = library(place).list()
    assert (after.id, after.details.title, after.texts) == ("two", "after", ("a", "b"))


KILLED = """
import os, sys
from pathlib import Path
from deployments.fish_speech.voices import folder, s3, s3_objects
from tests.fish_speech.voice_support import library, new_voice, recording, Folder

number = 0
def deadly(write):
    def killed(*arguments):
        global number
        number += 1
        if number == 4:
            os._exit(9)
        return write(*arguments)
    return killed

folder._write = deadly(folder._write)
s3.CONNECTIONS = 1
s3_objects.S3Objects.put = deadly(s3_objects.S3Objects.put)
place = Folder(Path("unused"))
place.name = sys.argv[1]
library(place).add(new_voice("one", "a", "b"), [recording(), recording()])
"""


def test_a_writer_that_is_killed_leaves_nothing_to_be_seen(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = library(place)
    assert subprocess.run([sys.executable, "-c", KILLED, place.name], check=False).returncode == 9
    assert len(place.paths()) > 3, "half of a voice lies there"
    assert ours.list() == []
    with pytest.raises(VoiceNotFound):
        ours.recordings("one")
    if isinstance(place, Bucket):
        for act in (lambda: ours.add(new_voice("one"), [LOW]), lambda: ours.add(new_voice("one"), [LOW])):
            with pytest.raises((Overloaded, VoiceConflict)):
                act()
        monkeypatch.setattr(s3, "_ABANDONED_S", -60)
    ours.add(new_voice("other", "a"), [LOW])
    assert place.paths() == ["other", "other/001.lab", "other/001.wav", "other/voice.json"]
    monkeypatch.undo()
    if isinstance(place, Folder):
        ours.add(new_voice("one", "a"), [LOW])
        assert [voice.id for voice in ours.list()] == ["one", "other"]


def test_of_several_writers_one_wins(place: Place) -> None:
    libraries = [library(place) for _ in range(6)]
    start = threading.Barrier(len(libraries))

    def add(number: int) -> int | None:
        start.wait()
        try:
            libraries[number].add(new_voice("one", f"by {number}", "and more"), [recording(200 + number), LOW])
        except (VoiceConflict, Overloaded):
            return None
        return number

    with ThreadPoolExecutor(len(libraries)) as pool:
        (winner,) = [number for number in pool.map(add, range(len(libraries))) if number is not None]
    first, second = library(place).recordings("one")
    assert (first.text, first.audio) == (f"by {winner}", recording(200 + winner))
    assert (second.text, second.audio) == ("and more", LOW)
    assert len(place.paths()) == 6


def test_readers_never_see_a_mixture(place: Place) -> None:
    """One voice is replaced over and over, with recordings that belong to their transcripts."""
    sounds = {str(number): recording(200 + 40 * number) for number in range(4)}
    writer, reader = library(place), library(place)
    done = threading.Event()

    def write() -> int:
        for turn in range(8):
            text = str(turn % 4)
            writer.add(new_voice("one", text, text), [sounds[text], sounds[text]])
            writer.delete("one")
        done.set()
        return turn

    def read() -> int:
        seen = 0
        while not done.is_set():
            try:
                first, second = reader.recordings("one")
            except (VoiceNotFound, Overloaded):
                continue
            assert first.text == second.text
            assert first.audio == second.audio == sounds[first.text]
            seen += 1
        return seen

    with ThreadPoolExecutor(3) as pool:
        written, *seen = [pool.submit(work) for work in (write, read, read)]
        assert written.result() == 7
        assert sum(one.result() for one in seen) > 0


ADDED = """
import sys
from pathlib import Path
from deployments.errors import Overloaded, VoiceConflict
from tests.fish_speech.voice_support import library, new_voice, recording, Folder

place = Folder(Path("unused"))
place.name = sys.argv[1]
ours = library(place, most=6)
print("ready", flush=True)
sys.stdin.readline()
for number in range(8):
    try:
        ours.add(new_voice(f"v{number}", sys.argv[2]), [recording()])
        print(number)
    except (VoiceConflict, Overloaded):
        pass
"""


def test_several_processes_share_a_folder(tmp_path: Path) -> None:
    place = Folder(tmp_path / "library")
    children = [
        subprocess.Popen(
            [sys.executable, "-c", ADDED, place.name, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    won = {number: child.communicate()[0].split() for number, child in enumerate(children)}
    assert [child.returncode for child in children] == [0, 0, 0]
    voices = library(place).list()
    assert len(voices) == 6
    assert sorted(number for numbers in won.values() for number in numbers) == [voice.id[1:] for voice in voices]
    for voice in voices:
        assert voice.id[1:] in won[int(voice.texts[0])]


def test_a_bucket_is_not_asked_again_and_again(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("list", "get"):
        usual = getattr(S3Objects, name)
        monkeypatch.setattr(
            S3Objects, name, lambda *given, usual=usual, name=name: (asked.append(name), usual(*given))[1]
        )
    now = [0.0]
    monkeypatch.setattr(s3, "monotonic", lambda: now[0])
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


def test_the_memory_of_a_bucket_is_bounded(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_CACHE_BYTES", 3 * len(LOW) - 1)
    monkeypatch.setattr(s3, "_MOST_LISTINGS", 2)
    for number in range(4):
        bucket.put(f"v{number}/a.wav", LOW)
        bucket.put(f"v{number}/a.lab", b"x")
    store = s3.S3Store(*bucket.name.removeprefix("s3://").split("/", 1))
    for number in range(4):
        assert None not in store.read(store.files(f"v{number}"))
    assert store._cached_bytes == sum(map(len, store._contents.values())) < 3 * len(LOW)
    assert len(store._listings) == 2


@pytest.mark.usefixtures("environment")
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


def test_a_disk_that_fails_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place = Folder(tmp_path / "library")
    ours = library(place)
    ours.add(new_voice("one"), [LOW])
    caplog.set_level(logging.ERROR)
    for number, said in {28: "the disk is full", 13: "the server has no right to", 5: "the log says why"}.items():

        def fail(*_: Any, number: int = number) -> None:
            raise OSError(number, "told by the system")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(folder, "_write", fail)
            with pytest.raises(ModelUnavailable, match=f"The voices cannot be written: {said}"):
                ours.add(new_voice("two"), [LOW])
            patch.setattr(folder, "_version", fail)
            with pytest.raises(ModelUnavailable, match=f"The voices cannot be read: {said}"):
                ours.get("one")
    assert len(caplog.messages) == 6
    assert "told by the system" in caplog.text
    assert [voice.id for voice in ours.list()] == ["one"]
