"""Tempo, volume and rate: lengths, pitch, ends, and nothing that depends on how the sound was cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.effects import AudioEffects
from tests.media.sound import Signal, sweep, tone

SPEEDS = [0.25, 0.3, 0.5, 0.8, 1.25, 2.0, 2.5, 4.0]
RATES = [8_000, 16_000, 22_050, 44_100, 48_000]


def changed(
    signal: Signal,
    rate: int,
    *,
    cuts: list[int] | None = None,
    output_rate: int | None = None,
    speed: float = 1.0,
    volume_db: float = 0.0,
) -> Signal:
    effects = AudioEffects(rate, output_rate=output_rate, speed=speed, volume_db=volume_db)
    parts = [effects.push(block) for block in np.split(signal, sorted(cuts or []))]
    return np.concatenate([*parts, effects.flush()])


def pitch(signal: Signal, rate: int) -> float:
    """Hz of the strongest partial."""
    return float(np.argmax(np.abs(np.fft.rfft(signal * np.hanning(signal.size)))) * rate / signal.size)


@pytest.mark.parametrize("rate", [8_000, 44_100])
@pytest.mark.parametrize("speed", SPEEDS)
def test_speed_changes_the_tempo_and_keeps_the_pitch(speed: float, rate: int) -> None:
    slow = changed(tone(2.0, rate), rate, speed=speed)
    assert slow.dtype == np.float32
    assert 0 <= slow.size - round(2.0 * rate / speed) <= 0.02 * rate
    assert pitch(slow, rate) == pytest.approx(440, rel=0.01)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("seconds", [0.03, 0.4, 1.7])
def test_the_last_word_is_whole_and_in_its_place(speed: float, seconds: float, rate: int) -> None:
    word = 0.1  # seconds, loud, right at the end
    signal = np.concatenate([0.1 * tone(seconds, rate), 1.5 * tone(word, rate, 900)])
    played = changed(signal, rate, speed=speed)
    loud = np.flatnonzero(np.abs(played) > 0.35) / rate
    assert loud[-1] - loud[0] > 0.09 / speed
    assert -0.012 / speed <= loud[-1] - (seconds + word) / speed <= 0.02


@pytest.mark.parametrize("speed", SPEEDS)
def test_sound_that_ended_makes_nothing_longer(speed: float) -> None:
    signal = np.concatenate([tone(0.5, 16_000), np.zeros(4_000, np.float32)])
    assert changed(signal, 16_000, speed=speed).size == round(12_000 / speed)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("output_rate", RATES)
def test_rates_keep_length_and_pitch(rate: int, output_rate: int) -> None:
    played = changed(tone(0.5, rate), rate, output_rate=output_rate)
    assert played.size == round(round(0.5 * rate) * output_rate / rate)
    assert pitch(played, output_rate) == pytest.approx(440, abs=2.1)
    middle = slice(output_rate // 20, -output_rate // 20)
    np.testing.assert_allclose(played[middle], tone(0.5, output_rate)[: played.size][middle], atol=0.01)
    assert AudioEffects(rate, output_rate=output_rate).output_rate == output_rate


def test_what_is_above_half_the_rate_is_filtered_out() -> None:
    assert np.abs(changed(tone(0.5, 44_100, 10_000), 44_100, output_rate=8_000)[200:-200]).max() < 0.01


def test_nothing_asked_changes_nothing() -> None:
    signal = np.array([0.1, -2.0, np.nan, 3.0], np.float32)
    effects = AudioEffects(16_000, output_rate=16_000)
    assert effects.push(signal) is signal
    assert effects.flush().size == 0


def test_volume_in_decibels_is_clipped() -> None:
    signal = np.array([0.1, -0.4, 0.9, np.nan, np.inf], np.float32)
    np.testing.assert_allclose(
        changed(signal, 16_000, volume_db=6.0206), [0.2, -0.8, 1, 0, 1], rtol=1e-5
    )  # 6.02 dB doubles
    np.testing.assert_allclose(changed(signal[:3], 16_000, volume_db=-20), [0.01, -0.04, 0.09], rtol=1e-5)
    loud = changed(sweep(0.5, 16_000), 16_000, volume_db=20, speed=1.2, output_rate=24_000)
    assert np.abs(loud).max() == 1


@given(
    cuts=st.lists(st.integers(0, 9_000), max_size=12),
    speed=st.sampled_from([1.0, *SPEEDS]),
    output_rate=st.sampled_from([16_000, 24_000, 8_000]),
    size=st.integers(0, 9_000),
)
def test_blocks_do_not_matter(cuts: list[int], speed: float, output_rate: int, size: int) -> None:
    signal = sweep(9_000 / 16_000, 16_000)[:size]
    whole = changed(signal, 16_000, speed=speed, output_rate=output_rate, volume_db=-3)
    cut = changed(signal, 16_000, cuts=cuts, speed=speed, output_rate=output_rate, volume_db=-3)
    np.testing.assert_array_equal(whole, cut)
    assert 0 <= whole.size - round(size * output_rate / 16_000 / speed) <= 0.02 * output_rate


@pytest.mark.parametrize("speed", SPEEDS)
def test_sound_leaves_early(speed: float) -> None:
    """After 200 ms of input something has come out, and later nothing is kept back for longer than 300 ms."""
    effects = AudioEffects(16_000, speed=speed)
    made = 0
    for number, start in enumerate(range(0, 48_000, 1_600), 1):
        made += effects.push(sweep(3, 16_000)[start : start + 1_600]).size
        if number >= 2 and speed <= 2:
            assert made > 0
        assert made * speed >= number * 1_600 - 4_800
    effects.close()


def test_what_cannot_be_is_refused() -> None:
    for wrong in (0.2, 4.1, float("nan"), 0.0):
        with pytest.raises(ValueError, match="speed must be"):
            AudioEffects(16_000, speed=wrong)
    for rate in (10, 10_000_000):
        with pytest.raises(ValueError, match="sample rate"):
            AudioEffects(16_000, output_rate=rate)
        with pytest.raises(ValueError, match="sample rate"):
            AudioEffects(rate)
    effects = AudioEffects(16_000, speed=2)
    effects.close()
    with pytest.raises(ValueError, match="finished"):
        effects.push(tone(0.1, 16_000))
