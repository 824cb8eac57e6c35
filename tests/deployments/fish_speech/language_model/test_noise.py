"""Random draws: exponential, the same for the same place, unlike for any other."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from deployments.fish_speech.language_model.noise import FrameNoise
from deployments.fish_speech.types import LARGEST_SEED
from tests.deployments.fish_speech.language_model.support import code_noise

MANY = 200_000
SEEDS = st.integers(0, LARGEST_SEED)
FRAMES = st.integers(0, 2**40)


def one(number: int) -> Tensor:
    return torch.tensor([number])


def drawn(seed: int, frame: int = 0, codebook: int = 0, width: int = MANY) -> Tensor:
    return code_noise(one(seed), one(frame), codebook, width)[0]


def uniform(noise: Tensor) -> Tensor:
    """What is uniform in (0, 1) if the noise is from Exp(1)."""
    return -torch.expm1(-noise.double())


def kolmogorov(noise: Tensor) -> float:
    """Kolmogorov's statistic of draws from Exp(1), scaled; above 1.95 once in a thousand times."""
    count = noise.numel()
    ordered = uniform(noise.flatten()).sort().values
    ranks = torch.arange(1, count + 1, dtype=torch.float64) / count
    return float(torch.maximum(ranks - ordered, ordered - ranks + 1 / count).max() * count**0.5)


def correlation(one_noise: Tensor, other: Tensor) -> float:
    """Pearson's of the uniform draws, scaled; a normal variable if they are independent."""
    pairs = torch.stack([uniform(one_noise.flatten()), uniform(other.flatten())])
    return float(torch.corrcoef(pairs)[0, 1] * pairs.shape[1] ** 0.5)


STREAMS = {
    "along a codebook": lambda: drawn(7),
    "along frames": lambda: code_noise(torch.full((MANY,), 7), torch.arange(MANY), 0, 1),
    "along seeds": lambda: code_noise(torch.arange(MANY), torch.zeros(MANY, dtype=torch.int64), 0, 1),
    "along codebooks": lambda: torch.cat([drawn(3, 0, codebook, 2_000) for codebook in range(100)]),
}


@pytest.mark.parametrize("stream", STREAMS)
def test_draws_are_exponential_in_every_direction(stream: str) -> None:
    noise = STREAMS[stream]().flatten()
    assert noise.dtype == torch.float32
    assert kolmogorov(noise) < 1.95
    assert abs(float(noise.mean()) - 1) < 4 / MANY**0.5
    assert abs(float(noise.var()) - 1) < 4 * (8 / MANY) ** 0.5
    assert abs(correlation(noise[1:], noise[:-1])) < 4


def test_neighbouring_streams_have_nothing_in_common() -> None:
    base = drawn(1_000, 1_000, 1)
    others = [drawn(1_001, 1_000, 1), drawn(1_000, 1_001, 1), drawn(1_000, 1_000, 2), drawn(1_001, 999, 1)]
    for other in others:
        assert abs(correlation(base, other)) < 4
        assert abs(correlation(base[1:], other[:-1])) < 4
    values = torch.cat([base, *others]).unique().numel()
    assert values > 5 * MANY * 0.97  # float32 has room for few more


def test_bits_of_hashes_are_even() -> None:
    halves = torch.stack([uniform(drawn(seed, frame, 0, 256)) > 0.5 for seed in range(20) for frame in range(20)])
    share = halves.double().mean(0)
    assert float((share - 0.5).abs().max()) < 5 * 0.5 / 400**0.5


@given(SEEDS, FRAMES, st.integers(0, 8), st.integers(1, 2_000))
def test_a_draw_depends_on_its_place_only(seed: int, frame: int, codebook: int, width: int) -> None:
    alone = drawn(seed, frame, codebook, width)
    assert bool((alone > 0).all())
    assert bool(alone.isfinite().all())
    seeds, frames = torch.tensor([3, seed, LARGEST_SEED, seed]), torch.tensor([frame, frame, 0, frame + 1])
    batch = code_noise(seeds, frames, codebook, width + 7)
    assert torch.equal(batch[1, :width], alone)
    assert not torch.equal(batch[3, :width], alone)
    widths = [5] * codebook + [width, 3]
    whole = FrameNoise(widths)(seeds, frames)
    assert torch.equal(whole[1, 5 * codebook : 5 * codebook + width], alone)


def test_the_draws_stay_what_they_are() -> None:
    """Who changes them changes the speech of every seed."""
    assert drawn(42, 3, 1, 3).tolist() == pytest.approx([1.17731321, 0.04469103, 0.94469768], rel=1e-6)


@given(SEEDS, FRAMES, st.integers(0, 8), st.integers(0, 500))
def test_draws_are_those_of_whole_numbers_that_wrap_around(
    seed: int, frame: int, codebook: int, index: int
) -> None:
    def mixed(bits: int) -> int:
        bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        bits = (bits ^ bits >> 27) * 0x94D049BB133111EB % 2**64
        return bits ^ bits >> 31

    step = 0x9E3779B97F4A7C15
    key = mixed((mixed((seed + step) % 2**64) + frame * 0xD1342543DE82EF95) % 2**64)
    bits = mixed((key + (codebook * 2**32 + index) * step) % 2**64)
    expected = -math.log((bits // 2**12 + 0.5) / 2**52)
    assert float(drawn(seed, frame, codebook, index + 1)[-1]) == pytest.approx(expected, rel=1e-6)
