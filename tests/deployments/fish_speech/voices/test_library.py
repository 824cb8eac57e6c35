"""The library's rules: ids, shipped voices, what may be kept, and what is refused with which words."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.errors import (
    InvalidRequest,
    ModelUnavailable,
    Overloaded,
    PayloadTooLarge,
    UndecodableAudio,
    VoiceConflict,
    VoiceNotFound,
)
from deployments.fish_speech.config import VoicesConfig
from deployments.fish_speech.types import NewVoice, VoiceChange, VoiceDetails
from deployments.fish_speech.voices import files, folder_store
from deployments.fish_speech.voices import new_voice as making
from deployments.fish_speech.voices.library import VoiceLibrary
from deployments.fish_speech.voices.names import natural
from tests.deployments.fish_speech.voices.support import Folder, library, new_voice, recording
from tests.media.sound import container, tone

SOUND = recording()
HOSTILE = (
    *(
        "",
        ".",
        "..",
        "/",
        "//",
        "../secret",
        "../../secret",
        "anna/..",
        "anna/../../secret",
        "..\\secret",
        "anna\\..",
    ),
    *("/etc", "/etc/passwd", "//etc", "C:\\secret", "C:secret", "~", "~root", "anna/", "/anna", "anna//happy"),
    *("anna\0", "\0", "anna\0/../../secret", "anna\n", "\nanna", "anna/\0", " anna", "anna ", "anna.", "anna/."),
    *(
        "ANNA",
        "Anna",
        "ａｎｎａ",
        "anna\u200b",
        "\u202eanna",
        "an\u0301na",
        "ÄNNA",
        "%2e%2e/secret",
        "..%2fsecret",
    ),
    *(
        "..;/secret",
        "\u2025/secret",
        "．．/secret",
        "a" * 255,
        "a" * 10_000,
        "../" * 200 + "secret",
        "link",
        "out",
    ),
    *("\ud800", "anna/001.wav", "001.wav", ".lock", ".new-1", ".old-1", "-rf", "--", "*", "?", "[a]nna", "{anna}"),
    *("nul", "CON", "anna/happy/..", "anna/happy/more", "file:///etc/passwd", "s3://x/y", "linked/file", "secret"),
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library beside a secret, with links to it."""
    house = tmp_path_factory.mktemp("house")
    for place in (
        "secret",
        "library/anna",
        "library/anna/happy",
        "library/linked",
        "library/.new-1",
        "library/.old-1",
    ):
        (house / place).mkdir(parents=True, exist_ok=True)
        for name in ("001", "002"):
            (house / place / f"{name}.wav").write_bytes(SOUND)
            (house / place / f"{name}.lab").write_text(f"{name} of {place}")
    (house / "library/out").symlink_to(house / "secret")
    (house / "library/link").symlink_to(house / "library/anna")
    for name in ("001.wav", "001.lab", "002.lab"):
        (house / "library/linked" / name).unlink()
    for name in ("001.wav", "001.lab", "002.lab"):
        (house / "library/linked" / name).symlink_to(house / "secret" / name)
    return house


def state(house: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.lstat().st_mtime_ns) for path in house.rglob("*") if path.name != ".lock")


def hostile_ids() -> Callable[[Any], Any]:
    """Texts, and those that are made of what paths are made of."""
    parts = st.sampled_from(
        ["..", ".", "/", "\\", "\0", "anna", "happy", "secret", "out", "linked", " ", "%2e", "\n"]
    )
    ids = st.text(max_size=40) | st.lists(parts, max_size=9).map("".join)

    def decorate(test: Any) -> Any:
        test = given(voice_id=ids)(test)
        for voice_id in HOSTILE:
            test = example(voice_id=voice_id)(test)
        return test

    return decorate


@hostile_ids()
def test_a_hostile_id_leads_nowhere(house: Path, voice_id: str) -> None:
    if voice_id in ("anna", "anna/happy"):
        return
    ours = library(Folder(house / "library"))
    before = state(house)
    for act in (ours.get, ours.recordings, ours.delete, lambda it: ours.change(it, VoiceChange(id="new"))):
        with pytest.raises(VoiceNotFound) as caught:
            act(voice_id)
        assert caught.value.param == "voice"
        assert caught.value.message.endswith("The voices are: 'anna'.")
        assert caught.value.message.isprintable()
        assert len(caught.value.message) < 700
        assert str(house) not in caught.value.message
    assert state(house) == before


@hostile_ids()
def test_a_hostile_id_cannot_be_kept(house: Path, voice_id: str) -> None:
    ours = library(Folder(house / "library"))
    before = state(house)
    fine = voice_id.isascii() and voice_id.replace(" ", "").replace("-", "").replace("_", "").isalnum()
    if fine and len(voice_id) < 256 and voice_id[0].isalnum() and voice_id[-1] != " ":
        return
    with pytest.raises(ValueError, match="id"):
        NewVoice(id=voice_id, texts=("x",))
    voice = NewVoice.model_construct(id=voice_id, texts=("x",), details=VoiceDetails())
    with pytest.raises(InvalidRequest, match=r"A voice cannot have the id .* begin with a letter") as caught:
        ours.add(voice, [SOUND])
    assert caught.value.param == "id"
    assert caught.value.message.isprintable()
    with pytest.raises(InvalidRequest, match="A voice cannot have the id"):
        ours.change("anna", VoiceChange.model_construct(id=voice_id, details=None))
    assert state(house) == before


def test_links_out_of_the_library_are_not_followed(house: Path) -> None:
    ours = library(Folder(house / "library"))
    assert [voice.id for voice in ours.list()] == ["anna"]
    assert not any("secret" in text for voice in ours.list() for text in voice.texts)
    for name in ("001.wav", "001.lab"):
        (house / "library/linked" / f"own-{name}").symlink_to(house / "library/anna" / name)
    assert [one.text for one in ours.recordings("linked")] == ["001 of library/anna"], "inside, links are fine"
    loop = house / "library/linked/own-001.lab"
    loop.unlink()
    loop.symlink_to(loop)
    with pytest.raises(VoiceNotFound):
        ours.get("linked")


def test_ids_are_compared_letter_for_letter(tmp_path: Path) -> None:
    place = Folder(tmp_path)
    composed = "Zoë"
    for path in (f"{composed}/a.wav", f"{composed}/a.lab"):
        place.put(path, b"x")
    ours = library(place)
    assert ours.get(composed).id == composed
    for other in (unicodedata.normalize("NFD", composed), "zoë", "ZOË", "Zoe"):
        with pytest.raises(VoiceNotFound):
            ours.get(other)


@pytest.mark.parametrize(
    ("count", "said"), [(10, "The voices are: 'v1', 'v2', "), (12, "10 of the 12 voices are: 'v1'")]
)
def test_an_unknown_id_is_told_with_up_to_ten_that_are_known(tmp_path: Path, count: int, said: str) -> None:
    for number in range(1, count + 1):
        Folder(tmp_path).put(f"v{number}/a.wav", b"x")
        Folder(tmp_path).put(f"v{number}/a.lab", b"x")
    with pytest.raises(VoiceNotFound, match=f"^There is no voice 'x'. {said}.*'v10'\\.$") as caught:
        library(Folder(tmp_path)).get("x")
    assert caught.value.message.count("'v") == 10


@given(names=st.lists(st.text(st.sampled_from("ab1290 -_²٣"), max_size=6)), dice=st.randoms(use_true_random=False))
def test_natural_order_is_an_order(names: list[str], dice: Any) -> None:
    assert sorted(names, key=natural) == sorted(dice.sample(names, len(names)), key=natural)
    numbers = [f"take {number}" for number in (1, 2, 9, 10, 11, 100, 9_999)]
    assert sorted(dice.sample(numbers, len(numbers)), key=natural) == numbers


def test_shipped_voices_stay_as_they_are(tmp_path: Path) -> None:
    own, first, second = (Folder(tmp_path / name) for name in ("own", "first", "second"))
    for place, voice_id, text in [
        *((first, "both", "of the first"), (first, "ours", "hidden"), (first, "one", "1")),
        *((second, "both", "of the second"), (second, "two", "2"), (own, "ours", "of the library")),
    ]:
        place.put(f"{voice_id}/a.wav", text.encode())
        place.put(f"{voice_id}/a.lab", text.encode())
    ours = library(own, first, second)
    assert [(voice.id, voice.texts[0], voice.shipped) for voice in ours.list()] == [
        ("both", "of the first", True),
        ("one", "1", True),
        ("ours", "of the library", False),
        ("two", "2", True),
    ]
    assert (ours.get("two").shipped, ours.get("ours").shipped) == (True, False)
    assert [one.audio for one in ours.recordings("both")] == [b"of the first"]
    assert [one.audio for one in ours.recordings("ours")] == [b"of the library"]
    for act in (lambda: ours.delete("two"), lambda: ours.change("two", VoiceChange(id="three"))):
        with pytest.raises(VoiceConflict, match="The voice 'two' is shipped with the server and stays as it is"):
            act()
    for act in (lambda: ours.add(new_voice("two"), [SOUND]), lambda: ours.change("ours", VoiceChange(id="two"))):
        with pytest.raises(VoiceConflict, match="There is a voice 'two' already"):
            act()
    ours.delete("ours")
    assert (ours.get("ours").texts, ours.get("ours").shipped) == (("hidden",), True)
    assert ours.add(new_voice("new"), [SOUND]).id in [voice.id for voice in ours.list()]


def test_without_a_library_nothing_is_kept(tmp_path: Path) -> None:
    shipped = Folder(tmp_path)
    shipped.put("one/a.wav", b"x")
    shipped.put("one/a.lab", b"x")
    ours = library(None, shipped)
    with pytest.raises(
        InvalidRequest, match=r"set `voices\.library` of the model to a folder or to s3://bucket/prefix"
    ):
        ours.add(new_voice("two"), [SOUND])
    with pytest.raises(VoiceConflict):
        ours.delete("one")
    with pytest.raises(VoiceNotFound):
        ours.change("two", VoiceChange())
    assert library(None).list() == []
    with pytest.raises(VoiceNotFound, match="no voices are kept here yet"):
        library(None).get("one")


@pytest.mark.parametrize("place", ["hf://org/voices@main", "ftp://x/y", "s3://x", " x", "s3://bucket/../x"])
def test_a_place_that_is_none_is_refused_at_the_start(place: str) -> None:
    with pytest.raises(ModelUnavailable, match="Voices cannot be in "):
        VoiceLibrary(VoicesConfig(library=place))


def test_a_shipped_folder_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"There is no folder '.*none' with shipped voices"):
        VoiceLibrary(VoicesConfig(shipped=(str(tmp_path / "none"),)))


def test_folders_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ours = VoiceLibrary(VoicesConfig(library="new/voices", shipped=("samples/tts/voices",)))
    assert [voice.id for voice in ours.list()] == ["slt"], "the sample voice is found in the project"
    ours.add(new_voice("one"), [SOUND])
    assert (tmp_path / "new/voices/one/001.wav").read_bytes() == SOUND


@pytest.mark.parametrize(
    ("muxer", "codec", "suffix"),
    [
        *(("wav", "pcm_s16le", ".wav"), ("flac", "flac", ".flac"), ("mp3", "libmp3lame", ".mp3")),
        *(("ogg", "libopus", ".ogg"), ("ipod", "aac", ".m4a"), ("adts", "aac", ".aac"), ("asf", "wmav2", ".wma")),
        *(("aiff", "pcm_s16be", ".aiff"), ("webm", "libopus", ".webm")),
    ],
)
def test_any_usual_container_is_kept_under_its_name(tmp_path: Path, muxer: str, codec: str, suffix: str) -> None:
    audio = container(tone(0.5, 48_000), 48_000, muxer, codec, bit_rate=64_000)
    ours = library(Folder(tmp_path))
    ours.add(new_voice("one"), [np.frombuffer(audio, np.uint8)])
    assert (tmp_path / f"one/001{suffix}").read_bytes() == audio
    assert [one.audio for one in ours.recordings("one")] == [audio]


def test_what_cannot_be_a_voice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = library(Folder(tmp_path))
    refused: list[tuple[type[Exception], str, tuple[str, ...], list[bytes]]] = [
        (InvalidRequest, "There are 1 recordings and 2 transcripts; send one for each", ("a", "b"), [SOUND]),
        (InvalidRequest, "There are 2 recordings and 1 transcripts", ("a",), [SOUND, SOUND]),
        (InvalidRequest, "A transcript is empty", ("a", " \n"), [SOUND, SOUND]),
        (InvalidRequest, "A transcript is empty", ("\ufeff",), [SOUND]),
        (InvalidRequest, "A transcript is longer than any recording", ("a" * 70_000,), [SOUND]),
        (UndecodableAudio, "The file is not audio", ("a", "b"), [SOUND, b"no audio at all"]),
        (UndecodableAudio, "The file is empty", ("a",), [b""]),
        (
            UndecodableAudio,
            "of a kind that is not kept",
            ("a",),
            [container(tone(1, 8_000), 8_000, "au", "pcm_s16be")],
        ),
    ]
    for kind, said, texts, audios in refused:
        with pytest.raises(kind, match=said):
            ours.add(new_voice("one", *texts), audios)
    monkeypatch.setattr(making, "LARGEST_VOICE", 2 * len(SOUND) - 1)
    with pytest.raises(PayloadTooLarge):
        ours.add(new_voice("one", "a", "b"), [SOUND, SOUND])
    assert Folder(tmp_path).paths() == []


def test_a_voice_with_too_much_is_listed_but_not_spoken_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Folder(tmp_path)
    for number in range(files.MOST_RECORDINGS + 1):
        place.put(f"many/{number}.wav", b"x")
        place.put(f"many/{number}.lab", b"x")
    ours = library(place)
    assert len(ours.get("many").texts) == 65
    with pytest.raises(InvalidRequest, match=r"The voice 'many' has 65 recordings\..* at most 64") as caught:
        ours.recordings("many")
    assert caught.value.param == "voice"
    place.remove("many/0.wav")
    assert len(ours.recordings("many")) == 64
    monkeypatch.setattr("deployments.fish_speech.voices.stored_voices.LARGEST_VOICE", 63)
    with pytest.raises(PayloadTooLarge, match="The recordings of the voice 'many' have more than"):
        ours.recordings("many")


def test_odd_things_in_the_folder_are_passed_over(tmp_path: Path) -> None:
    place = Folder(tmp_path)
    for name in ("good", "bad\nname", "with space", "spaces ", "\u202elatot"):
        place.put(f"{name}/a.wav", SOUND)
        place.put(f"{name}/a.lab", b"hello")
    os.mkfifo(tmp_path / "good/b.wav")
    place.put("good/b.lab", b"never read")
    place.put("good/c.lab", b"text without sound")
    place.put("good/d.lab", b"x" * 70_000)
    place.put("good/d.wav", SOUND)
    (tmp_path / "good/deep").joinpath(*"abcdefghij").mkdir(parents=True)
    (Path(os.fsencode(tmp_path / "good").decode()) / os.fsdecode(b"\xff.wav")).write_bytes(SOUND)
    (tmp_path / os.fsdecode(b"\xff")).mkdir()
    place.put("good/deep/a/b/c/d/e/f/g/h/x.wav", SOUND)
    place.put("good/deep/a/b/c/d/e/f/g/h/x.lab", b"too deep")
    ours = library(place)
    assert [voice.id for voice in ours.list()] == ["good", "with space"]
    assert [one.text for one in ours.recordings("good")] == ["hello"]
    assert ours.get("with space").texts == ("hello",)


def test_a_folder_that_is_closed_to_us_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``lost+found`` on a volume. Tests may run as root, for whom nothing is closed."""
    for name in ("lost+found", "good"):
        Folder(tmp_path).put(f"{name}/a.wav", SOUND)
        Folder(tmp_path).put(f"{name}/a.lab", b"x")
    usual = os.scandir

    def closed(place: Any) -> Any:
        if Path(place).name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return usual(place)

    monkeypatch.setattr(folder_store.os, "scandir", closed)
    assert [voice.id for voice in library(Folder(tmp_path)).list()] == ["good"]
    with pytest.raises(ModelUnavailable, match="The voices cannot be read: the server has no right to"):
        library(Folder(tmp_path / "lost+found")).list()


def test_a_writer_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = library(Folder(tmp_path))
    ours.add(new_voice("one"), [SOUND])
    monkeypatch.setattr(folder_store, "_LOCK_S", 0.05)
    with FileLock(tmp_path / ".lock"):
        assert ours.get("one").id == "one", "readers do not wait at all"
        for act in (lambda: ours.delete("one"), lambda: ours.add(new_voice("two"), [SOUND])):
            with pytest.raises(Overloaded, match="Others are changing the voices; try again"):
                act()
    ours.delete("one")


def test_a_voice_that_changes_all_the_time_is_not_read_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = library(Folder(tmp_path))
    ours.add(new_voice("one"), [SOUND])
    monkeypatch.setattr(folder_store.FolderStore, "read", lambda _, files: [None] * len(files))
    for act in (ours.get, ours.recordings, lambda _: ours.list()):
        with pytest.raises(Overloaded, match="Somebody is changing the voice 'one'; try again"):
            act("one")
