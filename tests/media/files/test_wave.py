"""WAV files that libav does not read as they are meant."""

import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.errors import UndecodableAudio
from tests.media.files.made import DATA
from tests.media.sound import Signal, decoded, int16, sweep, wav

RATE = 16_000


def chunk(name: bytes, content: bytes, order: str = "<", *, size: int | None = None, pad: bool = True) -> bytes:
    head = name + struct.pack(order + "I", len(content) if size is None else size)
    return head + content + bytes(len(content) % 2 if pad else 0)


def form(tag: int = 1, channels: int = 1, bits: int = 16, order: str = "<", rate: int = RATE) -> bytes:
    align = channels * bits // 8
    return chunk(b"fmt ", struct.pack(order + "HHIIHH", tag, channels, rate, rate * align, align, bits), order)


def riff(*chunks: bytes, name: bytes = b"RIFF", order: str = "<", size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return name + struct.pack(order + "I", len(body) if size is None else size) + body


def green() -> Signal:
    return decoded((DATA / "green.flac").read_bytes())


def pcm(samples: Signal, kind: str = "<i2") -> bytes:
    return np.rint(samples * 32_768).astype(kind).tobytes()


@pytest.mark.parametrize("size", [None, 0xFFFFFFFF])
def test_big_endian(size: int | None) -> None:
    data = riff(form(order=">"), chunk(b"data", pcm(green(), ">i2"), ">", size=size), name=b"RIFX", order=">")
    np.testing.assert_array_equal(decoded(data), green())


@pytest.mark.parametrize(
    ("tag", "bits", "kind", "scale"),
    [(1, 8, "u1", 0), (1, 16, ">i2", 2**15), (1, 32, ">i4", 2**31), (3, 32, ">f4", 1), (3, 64, ">f8", 1)],
)
@pytest.mark.parametrize("extensible", [False, True])
def test_big_endian_of_every_kind(tag: int, bits: int, kind: str, scale: int, extensible: bool) -> None:
    original = sweep(0.5, RATE)
    samples = original * (scale or 128) + (0 if scale else 128)
    data = (samples if kind[1] == "f" else np.rint(samples)).astype(kind).tobytes()
    head = form(tag, 1, bits, ">")
    if extensible:
        guid = struct.pack(">I", tag) + bytes.fromhex("00001000800000aa00389b71")
        fields = struct.pack(">HHIIHHHHI", 0xFFFE, 1, RATE, RATE * bits // 8, bits // 8, bits, 22, bits, 4)
        head = chunk(b"fmt ", fields + guid, ">")
    result = decoded(riff(head, chunk(b"data", data, ">"), name=b"RIFX", order=">"))
    np.testing.assert_allclose(result, original, atol=1e-4 if scale else 0.005)


@pytest.mark.parametrize(
    ("tag", "channels", "bits"), [(2, 1, 4), (1, 1, 12), (1, 0, 16), (0x55, 2, 16), (3, 1, 16)]
)
def test_big_endian_of_rare_kinds_is_refused(tag: int, channels: int, bits: int) -> None:
    data = riff(form(tag, channels, bits, ">"), chunk(b"data", bytes(8_000), ">"), name=b"RIFX", order=">")
    with pytest.raises(UndecodableAudio, match=r"RIFX|Raw PCM"):
        decoded(data)


def test_two_data_chunks_are_heard_one_after_the_other() -> None:
    samples = pcm(green())
    half = len(samples) // 4 * 2
    between = chunk(b"LIST", b"INFOIART\x04\0\0\0me!\0")
    data = riff(
        form(), chunk(b"data", samples[:half]), between, chunk(b"data", samples[half:]), chunk(b"id3 ", b"x")
    )
    np.testing.assert_array_equal(decoded(data), green())


@given(st.lists(st.integers(0, 3_000), max_size=6), st.integers(1, 2), st.sampled_from([8, 16, 24]))
def test_any_number_of_data_chunks(lengths: list[int], channels: int, bits: int) -> None:
    """Of any number of bytes: what is no whole sample at the end of one is dropped."""
    noise = np.random.default_rng(0)
    parts = [noise.bytes(length) for length in [4_000, *lengths]]
    align = channels * bits // 8
    whole = b"".join(part[: len(part) - len(part) % align] for part in parts)
    split = riff(form(1, channels, bits), *(chunk(b"data", part) for part in parts))
    np.testing.assert_array_equal(decoded(split), decoded(wav(whole, RATE, channels, bits)))


def test_a_chunk_of_odd_size_without_its_pad_byte() -> None:
    tags = chunk(b"LIST", b"INFOIART\x03\0\0\0abc", pad=False)
    data = riff(form(), tags, chunk(b"data", pcm(green())))
    np.testing.assert_array_equal(decoded(data), green())
    first = riff(tags, form(), tags, tags, chunk(b"data", pcm(green())))
    np.testing.assert_array_equal(decoded(first), green())


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x80000000, 0x7FFF0000, 0])
def test_streamed_files_are_read_to_their_end(size: int) -> None:
    """Also where the samples spell the name of a chunk."""
    samples = int16(sweep(1, RATE)).tobytes()
    samples = samples[:100] + b"data\x10\0\0\0" + samples[108:]
    data = riff(form(), chunk(b"data", samples, size=size), size=size)
    assert decoded(data).size == RATE


def test_thousands_of_data_chunks() -> None:
    samples = int16(sweep(1, RATE)).tobytes()
    data = riff(form(), *(chunk(b"data", samples[at : at + 10]) for at in range(0, len(samples), 10)))
    np.testing.assert_array_equal(decoded(data), decoded(wav(samples, RATE)))


def test_more_chunks_than_anyone_writes_are_refused() -> None:
    with pytest.raises(UndecodableAudio, match="100000 chunks"):
        decoded(riff(form(), chunk(b"junk", b"") * 100_000))


@given(st.binary(max_size=300), st.sampled_from([b"RIFF", b"RIFX"]))
def test_damage_ends_in_samples_or_in_an_error(noise: bytes, name: bytes) -> None:
    order = "<" if name == b"RIFF" else ">"
    data = riff(
        form(order=order) if len(noise) % 2 else b"", noise, chunk(b"data", noise, order), name=name, order=order
    )
    with suppress(UndecodableAudio):
        assert np.abs(decoded(data)).max() <= 1
