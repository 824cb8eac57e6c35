"""The same library in a folder and in a bucket: what is kept, what is seen, and how it is described."""

import time

import pytest

from deployments.errors import VoiceConflict, VoiceNotFound
from deployments.fish_speech.types import VoiceChange, VoiceDetails
from tests.deployments.fish_speech.voices.support import Place, library, new_voice, recording

LOW, HIGH = recording(220), recording(880)


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
    changed = ours.change("old", VoiceChange(details=VoiceDetails(title="T", tags=("x",))))
    assert changed == theirs.get("old")
    assert (changed.id, changed.texts, changed.created) == ("old", ("one",), old.created)
    assert (changed.details.title, changed.details.tags) == ("T", ("x",))
    assert changed.updated > changed.created
    renamed = ours.change("old", VoiceChange(id="new"))
    assert renamed == ours.get("new") == library(place).get("new")
    assert (renamed.texts, renamed.details, renamed.created) == (("one",), changed.details, changed.created)
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
