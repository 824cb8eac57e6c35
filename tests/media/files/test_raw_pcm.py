"""Samples without a header: what their parameters say is what is heard."""

import io
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.decode import probe
from media.errors import UndecodableAudio
from media.files.raw_pcm import BITS, ByteOrder, Encoding, RawPcm
from tests.media.files.made import DATA
from tests.media.sound import container, correlation, decoded, sweep

KINDS = [(encoding, bits) for encoding in ("signed", "unsigned", "float") for bits in BITS[encoding]]  # type: ignore[index]


def packed(samples: np.ndarray, encoding: str, bits: int, order: str) -> bytes:
    """Samples in [-1, 1), of shape (any,), as a headerless file has them."""
    sign = "<" if order == "little" else ">"
    if encoding == "float":
        return samples.astype(f"{sign}f{bits // 8}").tobytes()
    whole = np.floor(samples * 2.0 ** (bits - 1)).astype(np.int64)
    if encoding == "unsigned":
        whole += 1 << (bits - 1)
    data = whole.astype(">i8").view(np.uint8).reshape(-1, 8)[:, 8 - bits // 8 :]
    return (data[:, ::-1] if order == "little" else data).tobytes()


@given(
    st.sampled_from(KINDS),
    st.sampled_from(get_args(ByteOrder)),
    st.integers(1, 8),
    st.integers(1, 400),
    st.integers(0, 2**32 - 1),
)
def test_samples_of_every_kind(
    kind: tuple[str, int], order: ByteOrder, channels: int, frames: int, seed: int
) -> None:
    encoding, bits = kind
    samples = np.random.default_rng(seed).uniform(-0.9, 0.9, frames)
    raw = RawPcm(16_000, channels, order, bits, encoding)  # type: ignore[arg-type]
    data = packed(np.repeat(samples, channels), encoding, bits, order)
    result = decoded(data + b"\0" * (channels * bits // 8 - 1), raw=raw)  # no whole frame at the end
    np.testing.assert_allclose(result, samples, atol=max(2.0 ** (2 - bits), 1e-6) if encoding != "float" else 1e-6)


@given(st.integers(-10, 10**7), st.integers(-2, 300), st.integers(-8, 80), st.sampled_from(get_args(Encoding)))
def test_what_cannot_be_honoured_is_refused(rate: int, channels: int, bits: int, encoding: Encoding) -> None:
    honoured = 1_000 <= rate <= 768_000 and 1 <= channels <= 8 and bits in BITS[encoding]
    if encoding == "g722":
        honoured = (rate, channels, bits) == (16_000, 1, 8)
    raw = RawPcm(rate, channels, "little", bits, encoding)
    if honoured:
        info = probe(io.BytesIO(bytes(4_000)), raw=raw)
        assert (info.sample_rate, info.channels) == (rate, channels)
    else:
        with pytest.raises(UndecodableAudio, match=r"[;:] send|is mono"):
            probe(io.BytesIO(bytes(4_000)), raw=raw)


@pytest.mark.parametrize(("encoding", "encoder"), [("mu-law", "pcm_mulaw"), ("a-law", "pcm_alaw")])
def test_telephony(encoding: Encoding, encoder: str) -> None:
    data = container(sweep(1, 8_000), 8_000, "wav", encoder)
    raw = RawPcm(8_000, bits=8, encoding=encoding)
    assert correlation(decoded(data[data.index(b"data") + 8 :], raw=raw), sweep(1, 16_000)) > 0.99


def test_g722() -> None:
    data = container(sweep(1, 16_000), 16_000, "g722", "g722")
    raw = RawPcm(16_000, bits=8, encoding="g722")
    assert probe(io.BytesIO(data), raw=raw).duration_s == pytest.approx(1, abs=0.01)
    assert correlation(decoded(data, raw=raw), sweep(1, 16_000)) > 0.99


def test_gsm_needs_no_content_type() -> None:
    assert (
        correlation(decoded((DATA / "green.gsm").read_bytes()), decoded((DATA / "green.flac").read_bytes())) > 0.98
    )
