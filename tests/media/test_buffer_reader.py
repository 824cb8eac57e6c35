"""Files over memory."""

import io
import os
import random

import numpy as np
import pytest

from media.buffer_reader import BufferReader
from media.decode import AudioDecoder
from tests.media.sound import int16, tone, wav


def test_reads_and_seeks_like_a_file() -> None:
    data = random.Random(0).randbytes(1_000)
    ours, theirs = BufferReader(data), io.BytesIO(data)
    steps = random.Random(1)
    for _ in range(300):
        if steps.random() < 0.5:
            size = steps.randrange(0, 200)
            assert ours.read(size) == theirs.read(size)
        else:
            whence = steps.choice([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END])
            offset = steps.randrange(0 if whence == os.SEEK_SET else -900, 1_100)
            assert ours.seek(offset, whence) == theirs.seek(offset, whence)
        assert ours.tell() == theirs.tell()
    ours.seek(0)
    assert ours.read() == data


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_any_buffer_can_be_decoded(kind: type) -> None:
    with BufferReader(kind(wav(int16(tone(1, 16_000)).tobytes()))) as file, AudioDecoder(file) as decoder:
        assert sum(block.size for block in decoder) == 16_000


def test_nothing_is_copied_and_the_buffer_is_released() -> None:
    upload = np.frombuffer(bytearray(b"abc"), np.uint8)
    reader = BufferReader(upload)
    upload[0] = ord("x")
    assert reader.read() == b"xbc"
    reader.close()
    with pytest.raises(ValueError, match=r"closed|released"):
        reader.read(1)
    data = bytearray(10)
    BufferReader(data).close()
    data.append(0)  # BufferError if it were still held


def test_an_empty_array_is_an_empty_file() -> None:
    assert BufferReader(np.zeros(0, np.uint8)).read() == b""


def test_strided_arrays_are_refused() -> None:
    with pytest.raises(TypeError):
        BufferReader(np.zeros(10, np.uint8)[::2])


def test_it_cannot_be_written() -> None:
    assert not BufferReader(b"x").writable()
