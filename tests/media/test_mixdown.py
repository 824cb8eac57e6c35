"""Channels that cancel are heard; all others are mixed as libav mixes them."""

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from media.decode import AudioDecoder
from media.errors import NoSuchChannel, UndecodableAudio
from media.mixdown import CANCELLED, FADE_S, PIECE_S, SILENCE, Mixdown
from tests.media.sound import Signal, correlation, decoded, sweep

RATE = 16_000
EVEN = np.float32([0.5, 0.5])
PIECE = round(PIECE_S * RATE)


def stored(planes: NDArray[np.float32], rate: int = RATE, subtype: str = "FLOAT") -> bytes:
    target = io.BytesIO()
    soundfile.write(target, planes.T, rate, format="WAV", subtype=subtype)
    return target.getvalue()


def power(samples: Signal) -> float:
    return float(np.var(samples, dtype=np.float64))


def only(planes: NDArray[np.float32], channel: int) -> Signal:
    with AudioDecoder(io.BytesIO(stored(planes)), channel=channel) as decoder:
        return np.concatenate(list(decoder))


@st.composite
def channels(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights and channels of some pieces, in each of which they are a mixture of what they have in common, of
    its negative, and of noise of their own.
    """
    count, pieces = draw(st.integers(2, 4)), draw(st.integers(1, 6))
    part = st.sampled_from([-1.0, -0.9, -0.5, 0.0, 0.3, 1.0])
    level = st.sampled_from([0.0, 1e-5, 0.01, 0.3])
    noise = np.random.default_rng(draw(st.integers(0, 99)))
    weights = np.float32(draw(st.lists(st.sampled_from([0.0, 0.2, 0.5]), min_size=count, max_size=count)))
    parts = []
    for _ in range(pieces):
        common, own = draw(level) * noise.standard_normal(PIECE), draw(level)
        rows = [draw(part) * common + own * noise.standard_normal(PIECE) for _ in range(count)]
        parts.append(np.array(rows, np.float32))
    return weights, np.concatenate(parts, axis=1)


@given(channels())
def test_nothing_that_the_channels_hold_is_lost(case: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
    weights, planes = case
    heard = Mixdown(weights, RATE).mix(planes.copy())
    plain = weights @ planes
    assert heard.shape == plain.shape
    for start in range(round(FADE_S * RATE), heard.size, PIECE):  # after the fade
        piece = slice(start, start - round(FADE_S * RATE) + PIECE)
        brought = sum(w * w * power(row[piece]) for w, row in zip(weights, planes, strict=True))
        if brought > SILENCE * 1.5:
            assert power(heard[piece]) > 0.8 * CANCELLED * brought  # measured in a part of the samples
        alone = [np.array_equal(heard[piece], row[piece]) for row in planes]
        assert any(alone) or np.allclose(heard[piece], plain[piece], atol=1e-6)


@given(st.lists(st.floats(-0.8, 1.0), min_size=1, max_size=5), st.integers(0, 99))
def test_channels_that_do_not_cancel_are_mixed(correlations: list[float], seed: int) -> None:
    """Down to a correlation of -0.8: the mix of equally loud channels has (1 + it) of their power."""
    noise = np.random.default_rng(seed).standard_normal((2, len(correlations), PIECE)).astype(np.float32)
    towards = np.float32(correlations)[:, None]
    planes = np.stack([noise[0], towards * noise[0] + np.sqrt(1 - towards**2) * noise[1]]).reshape(2, -1) / 8
    np.testing.assert_array_equal(Mixdown(EVEN, RATE).mix(planes), EVEN @ planes)


@given(st.lists(st.integers(400, 9_000), min_size=1, max_size=6))
def test_it_does_not_matter_how_the_sound_is_cut(lengths: list[int]) -> None:
    """Channels that cancel all along are one of them all along, whatever the lengths of the parts."""
    signal = sweep(sum(lengths) / RATE, RATE)
    planes = np.stack([signal, -signal])
    mixdown, cuts = Mixdown(EVEN, RATE), np.cumsum(lengths)[:-1]
    heard = np.concatenate([mixdown.mix(part) for part in np.split(planes, cuts, axis=1)])
    fade = round(FADE_S * RATE)
    assert heard.size == signal.size
    np.testing.assert_allclose(heard[fade:], signal[fade:], atol=1e-6)


@pytest.mark.parametrize("second", [-1.0, -0.85])
@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
def test_an_inverted_channel(rate: int, second: float) -> None:
    signal = sweep(2, rate)
    samples = decoded(stored(np.stack([signal, second * signal]), rate, "PCM_24"))
    assert correlation(samples, sweep(2, 16_000)) > 0.99
    assert power(samples) == pytest.approx(power(sweep(2, 16_000)), rel=0.05)


def test_only_what_cancels_is_replaced_without_a_click() -> None:
    signal = sweep(3, RATE)
    first, second = signal.copy(), signal.copy()
    second[RATE : 2 * RATE] *= -1
    samples = decoded(stored(np.stack([first, second])))
    np.testing.assert_allclose(samples[: RATE - PIECE], signal[: RATE - PIECE], atol=1e-6)
    np.testing.assert_allclose(samples[2 * RATE + PIECE :], signal[2 * RATE + PIECE :], atol=1e-6)
    middle = slice(RATE + PIECE, 2 * RATE - PIECE)
    np.testing.assert_allclose(np.abs(samples[middle]), np.abs(signal[middle]), atol=1e-6)
    assert np.abs(np.diff(samples)).max() < 1.5 * np.abs(np.diff(signal)).max()


def test_speech_beside_a_constant_offset_is_heard() -> None:
    signal = 0.05 * sweep(2, RATE)
    samples = decoded(stored(np.stack([0.4 + signal, 0.4 - signal])))
    assert correlation(samples - samples.mean(), signal) > 0.99


def test_what_a_mix_leaves_out_is_not_taken_for_cancelled() -> None:
    """The channel for low effects has no part in a mix of 5.1, however loud it is."""
    planes = np.zeros((6, 2 * RATE), np.float32)
    planes[2], planes[3] = 0.1 * sweep(2, RATE), 0.9 * sweep(2, RATE)[::-1]
    target = io.BytesIO()
    soundfile.write(target, planes.T, RATE, format="FLAC", subtype="PCM_24")
    assert correlation(decoded(target.getvalue()), sweep(2, RATE)) > 0.99


def test_channels_without_names_all_count() -> None:
    planes = np.zeros((8, RATE), np.float32)
    planes[3] = sweep(1, RATE)
    samples = decoded(stored(planes))
    np.testing.assert_allclose(samples, planes[3] / 8, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 6, 8, 16])
def test_each_channel_alone(count: int) -> None:
    planes = np.stack([np.full(4_000, (number + 1) / 32, np.float32) for number in range(count)])
    for number in range(count):
        np.testing.assert_array_equal(only(planes, number), planes[number])
    with pytest.raises(NoSuchChannel, match=f"The audio has {count} channels?, .* there is no channel {count}"):
        only(planes, count)


def test_more_channels_than_anybody_records() -> None:
    with pytest.raises(UndecodableAudio, match="33 channels; send at most 32"):
        decoded(stored(np.zeros((33, 4_000), np.float32)))


def test_numbers_that_are_none_are_silence_in_one_channel_only() -> None:
    broken = np.float32([np.nan, np.inf, -np.inf, 0.5] * 1_000)
    planes = np.stack([np.full(4_000, 0.5, np.float32), broken])
    np.testing.assert_array_equal(decoded(stored(planes))[:4], np.float32([0.25, 1, -1, 0.5]))
    np.testing.assert_array_equal(only(planes, 0), planes[0])
