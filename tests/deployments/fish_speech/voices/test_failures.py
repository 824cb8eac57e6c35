"""Voices are whole or not there: writes that fail, writers that are killed, and many at the same time."""

import itertools
import logging
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deployments.errors import ModelUnavailable, Overloaded, VoiceConflict, VoiceNotFound
from deployments.fish_speech.types import VoiceChange, VoiceDetails
from deployments.fish_speech.voices import folder_store, folder_tree, s3_store
from deployments.fish_speech.voices.s3_objects import S3Objects
from tests.deployments.fish_speech.voices.support import Bucket, Folder, Place, library, new_voice, recording

LOW, HIGH = recording(220), recording(880)


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
        monkeypatch.setattr(folder_store, "_write", count(folder_store._write))
        monkeypatch.setattr(folder_store.Path, "rename", count(folder_store.Path.rename))
        monkeypatch.setattr(folder_store.Path, "replace", count(folder_store.Path.replace))
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
                assert ours.list() == [before]
                assert not [path for path in place.paths() if not path.startswith("one")]
            else:
                break
    assert len(writes) > 2
    (after,) = library(place).list()
    assert (after.id, after.details.title, after.texts) == ("two", "after", ("a", "b"))


KILLED = """
import os, sys
from pathlib import Path
from deployments.fish_speech.voices import folder_store, s3_store, s3_objects
from tests.deployments.fish_speech.voices.support import library, new_voice, recording, Folder

number = 0
def deadly(write):
    def killed(*arguments):
        global number
        number += 1
        if number == 4:
            os._exit(9)
        return write(*arguments)
    return killed

folder_store._write = deadly(folder_store._write)
s3_store.CONNECTIONS = 1
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
        monkeypatch.setattr(s3_store, "_ABANDONED_S", -60)
    ours.add(new_voice("other", "a"), [LOW])
    assert place.paths() == ["other", "other/001.lab", "other/001.wav", "other/voice.json"]
    monkeypatch.undo()
    if isinstance(place, Folder):
        ours.add(new_voice("one", "a"), [LOW])
        assert [voice.id for voice in ours.list()] == ["one", "other"]


def test_of_several_writers_one_wins(place: Place) -> None:
    libraries = [library(place) for _ in range(4)]
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
    done, seen = threading.Event(), threading.Semaphore(0)

    def write() -> None:
        """At least five times, and until a reader has come in between."""
        limit = time.monotonic() + 60
        try:
            for turn in itertools.count():
                text = str(turn % 4)
                writer.add(new_voice("one", text, text), [sounds[text], sounds[text]])
                if turn >= 4 and seen.acquire(timeout=0.1):
                    return
                assert time.monotonic() < limit, "no reader has seen the voice"
                writer.delete("one")
        finally:
            done.set()

    def read() -> None:
        while not done.is_set():
            try:
                first, second = reader.recordings("one")
            except (VoiceNotFound, Overloaded):
                continue
            assert first.text == second.text
            assert first.audio == second.audio == sounds[first.text]
            seen.release()

    with ThreadPoolExecutor(3) as pool:
        for work in [pool.submit(work) for work in (write, read, read)]:
            work.result()


@pytest.mark.parametrize("when", [1, 2, 3])
def test_a_voice_that_is_replaced_while_it_is_read(
    place: Place, when: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files have the same names, but belong to each other."""
    monkeypatch.setattr(s3_store, "CONNECTIONS", 1)
    writer, reader = library(place), library(place)
    writer.add(new_voice("one", "low", "low"), [LOW, LOW])
    store: Any = folder_tree.FolderTree if isinstance(place, Folder) else s3_store.S3Store
    name = "content" if isinstance(place, Folder) else "_content"
    usual, reads = getattr(store, name), []

    def replaced(self: Any, file: Any) -> bytes | None:
        reads.append(file.path)
        if len(reads) == when:
            writer.delete("one")
            writer.add(new_voice("one", "high", "high"), [HIGH, HIGH])
        content: bytes | None = usual(self, file)
        return content

    monkeypatch.setattr(store, name, replaced)
    assert [(one.text, one.audio) for one in reader.recordings("one")] == [("high", HIGH), ("high", HIGH)]
    assert len(reads) > 7, "it had to be read once more"
    (voice,) = reader.list()
    assert voice.texts == ("high", "high")


ADDED = """
import sys
from pathlib import Path
from deployments.errors import Overloaded, VoiceConflict
from tests.deployments.fish_speech.voices.support import library, new_voice, recording, Folder

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
            patch.setattr(folder_store, "_write", fail)
            with pytest.raises(ModelUnavailable, match=f"The voices cannot be written: {said}"):
                ours.add(new_voice("two"), [LOW])
            patch.setattr(folder_tree, "_version", fail)
            with pytest.raises(ModelUnavailable, match=f"The voices cannot be read: {said}"):
                ours.get("one")
    assert len(caplog.messages) == 6
    assert "told by the system" in caplog.text
    assert [voice.id for voice in ours.list()] == ["one"]
