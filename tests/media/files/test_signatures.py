"""Beginnings of files, and of samples that are none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.files.signatures import HEAD_BYTES, has_header
from tests.media.files.made import ENCODED, encoded
from tests.media.sound import container, int16, sweep, tone

LEVELS = st.sampled_from([0, 1, 2, 30, 1_000, 32_000])
HEADERLESS = ("gsm",)


@pytest.mark.parametrize("name", ENCODED)
def test_every_kind_says_what_it_is(name: str) -> None:
    assert has_header(encoded(name)[:HEAD_BYTES])


@pytest.mark.parametrize("version", [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("bit_rate", [8_000, 32_000, 64_000, 160_000])
def test_bare_frames_of_mp3(version: int, bit_rate: int) -> None:
    options = {"write_xing": "0", "id3v2_version": "0"}
    data = container(tone(0.5, version), version, "mp3", "libmp3lame", bit_rate=bit_rate, options=options)
    assert data[0] == 0xFF
    assert has_header(data)


@given(
    st.integers(0, 2**32 - 1), LEVELS, st.integers(-300, 300), st.sampled_from(["<i2", ">i2", "<i4", "u1", "<f4"])
)
def test_noise_of_every_level_and_offset(seed: int, level: int, offset: int, kind: str) -> None:
    noise = np.random.default_rng(seed).normal(offset, level, 8_000)
    with np.errstate(invalid="ignore"):
        assert not has_header(noise.astype(kind).tobytes())


@pytest.mark.parametrize("kind", ["<i2", ">i2"])
def test_silence_tones_and_full_scale(kind: str) -> None:
    for value in (0, 1, -1, -2, -5, 32_767, -32_768, 0x474F):
        assert not has_header(np.full(8_000, value, kind).tobytes())
    for samples in (tone(1, 16_000), sweep(1, 16_000), tone(1, 16_000, 8.0)):
        assert not has_header(int16(samples).astype(kind).tobytes())
