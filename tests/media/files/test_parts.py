"""Parts of a file as a file."""

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.files.parts import HeadFirst, Part, PartsFile

CONTENT = bytes(range(256))
PARTS = st.lists(
    st.one_of(st.binary(max_size=20), st.builds(Part, st.integers(0, 200), st.integers(0, 56))), max_size=6
)


@given(
    PARTS, st.lists(st.tuples(st.integers(-30, 400), st.sampled_from([0, 1, 2]), st.integers(-1, 60)), max_size=12)
)
def test_it_reads_like_the_joined_bytes(parts: list[Part | bytes], steps: list[tuple[int, int, int]]) -> None:
    joined = b"".join(
        part if isinstance(part, bytes) else CONTENT[part.start : part.start + part.length] for part in parts
    )
    expected, file = io.BytesIO(joined), PartsFile(io.BytesIO(CONTENT), parts)
    assert file.read() == joined
    file.seek(0)
    for offset, whence, size in steps:
        start = (0, expected.tell(), len(joined))[whence]
        assert file.seek(offset, whence) == expected.seek(max(0, start + offset)) == file.tell()
        data = file.read(size)
        assert data == expected.read(len(data) if size >= 0 else -1)
        assert data or size == 0 or file.tell() >= len(joined)


def test_it_ends_where_the_other_file_is_cut_off() -> None:
    file = PartsFile(io.BytesIO(b"abcdef"), [Part(4, 10), b"end"])
    assert file.read() == b"ef"
    assert file.seekable()
    assert file.seek(0, os.SEEK_END) == 13


def test_what_was_read_ahead_comes_first() -> None:
    file = HeadFirst(b"abc", io.BytesIO(b"def"))
    assert not file.seekable()
    assert [file.read(2), file.read(2), file.tell(), file.read()] == [b"ab", b"c", 3, b"def"]
    with pytest.raises(OSError, match="seek"):
        file.seek(0)
