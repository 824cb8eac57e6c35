"""Tags before files, and which bytes say what they are."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.errors import UndecodableAudio
from media.files.source import says_what_it_is
from tests.media.files.made import DATA, encoded
from tests.media.sound import decoded, int16, sweep, tone, wav


def tag(size: int, *, footer: bool = False) -> bytes:
    """An ID3v2 tag with ``size`` bytes of padding."""
    length = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    head = b"\x04\0" + bytes([0x10 if footer else 0]) + length
    return b"ID3" + head + bytes(size) + (b"3DI" + head if footer else b"")


class Pipe(io.BytesIO):
    """A file that cannot seek."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError("this is a pipe")


@pytest.mark.parametrize(
    "name", ["wav", "rf64", "w64", "flac", "ogg opus", "aiff", "m4a", "webm", "mp3", "aac", "caf"]
)
@pytest.mark.parametrize("tags", [tag(100), tag(70_000), tag(10, footer=True) + tag(0)])
def test_tags_before_a_file(name: str, tags: bytes) -> None:
    np.testing.assert_array_equal(decoded(tags + encoded(name)), decoded(encoded(name)))


def test_tags_before_a_file_that_cannot_seek() -> None:
    data = wav(int16(tone(1, 16_000)).tobytes())
    for file in (data, tag(100) + data):
        np.testing.assert_array_equal(decoded(Pipe(file)), decoded(data))


def test_tags_before_big_endian_samples() -> None:
    samples = int16(tone(1, 16_000))
    little = wav(samples.tobytes())
    head = b"RIFX" + little[4:8][::-1] + little[8:16] + little[16:20][::-1]
    fields = np.frombuffer(little[20:36], "<u2")
    numbers = fields[:2].astype(">u2").tobytes()
    numbers += fields[2:6].view("<u4").astype(">u4").tobytes() + fields[6:].astype(">u2").tobytes()
    data = head + numbers + b"data" + little[40:44][::-1] + samples.astype(">i2").tobytes()
    np.testing.assert_array_equal(decoded(tag(64) + data), decoded(little))
    with pytest.raises(UndecodableAudio, match="RIFX"):
        decoded(Pipe(tag(64) + data))


@pytest.mark.parametrize("data", [tag(100), tag(100) + b"text" * 500, b"ID3\x03\0\0\x7f\x7f\x7f\x7f" + bytes(500)])
def test_tags_alone(data: bytes) -> None:
    with pytest.raises(UndecodableAudio):
        decoded(data)


@given(st.integers(0, 300), st.binary(max_size=40))
def test_whatever_follows_a_tag(size: int, rest: bytes) -> None:
    with pytest.raises(UndecodableAudio):
        decoded(tag(size) + rest)


@pytest.mark.parametrize(
    "name", ["wav", "mp3", "webm", "ts mp2", "m2ts lpcm", "vob lpcm", "loas", "ac3", "mp4 opus"]
)
def test_files_say_what_they_are(name: str) -> None:
    file = io.BytesIO(encoded(name))
    file.seek(7)
    assert says_what_it_is(file)
    assert says_what_it_is(io.BytesIO(tag(200_000) + encoded(name)))


def test_samples_do_not() -> None:
    assert not says_what_it_is(io.BytesIO(int16(sweep(1, 16_000)).tobytes()))
    assert not says_what_it_is(io.BytesIO((DATA / "green.gsm").read_bytes()))
    assert not says_what_it_is(io.BytesIO())
