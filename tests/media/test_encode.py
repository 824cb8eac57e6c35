"""Encoding: what our decoder and other readers make of each format."""

import io
import tracemalloc
import wave
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from media.decode import RawPcm, probe
from media.encode import (
    CONTENT_TYPES,
    EXTENSIONS,
    FORMATS,
    AudioEncoder,
    AudioFormat,
    encode,
)
from media.errors import ClientError
from tests.media.sound import Signal, correlation, decoded, delay_of, streamed_file, sweep

SECONDS = 1.2
EXACT: tuple[AudioFormat, ...] = ("wav", "pcm", "flac")
RATES = [8_000, 16_000, 22_050, 24_000, 40_000, 48_000]


def played(data: bytes, audio_format: AudioFormat, rate: int) -> Signal:
    return decoded(data, rate, raw=RawPcm(rate) if audio_format == "pcm" else None)


def streamed(signal: Signal, audio_format: AudioFormat, rate: int, cuts: list[int]) -> bytes:
    return streamed_file(np.split(signal, sorted(cuts)), audio_format, rate)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("audio_format", FORMATS)
@pytest.mark.parametrize("whole", [True, False])
def test_the_sound_comes_back_whole(audio_format: AudioFormat, rate: int, whole: bool) -> None:
    signal = sweep(SECONDS, rate)
    data = encode(signal, audio_format, rate) if whole else streamed(signal, audio_format, rate, [100, 9_000])
    back = played(data, audio_format, rate)
    delay = delay_of(back, signal)
    assert correlation(back, signal) > (0.999 if audio_format in EXACT else 0.99)
    if audio_format == "aac" or (audio_format == "mp3" and not whole):
        assert 900 <= delay <= 1_105
        assert delay + signal.size <= back.size <= delay + signal.size + 3_000
    else:
        assert delay == 0
        assert back.size == signal.size


@pytest.mark.parametrize("audio_format", EXACT)
def test_16_bit_audio_survives_bit_by_bit(audio_format: AudioFormat) -> None:
    numbers = np.arange(-32_768, 32_768).astype(np.float32) / 32_768
    for data in (encode(numbers, audio_format, 16_000), streamed(numbers, audio_format, 16_000, [30_000])):
        np.testing.assert_array_equal(played(data, audio_format, 16_000), numbers)


def test_rounding_clipping_and_nan() -> None:
    step = 1 / 32_768
    samples = np.array([0.5 * step, 1.5 * step, -0.5 * step, 1.0, -1.0, 9, -9, np.inf, -np.inf, np.nan])
    original = samples.copy()
    pcm = np.frombuffer(encode(samples, "pcm", 16_000), "<i2")
    np.testing.assert_array_equal(pcm, [0, 2, 0, 32767, -32768, 32767, -32768, 32767, -32768, 0])
    np.testing.assert_array_equal(samples, original)


@pytest.mark.parametrize("audio_format", FORMATS)
def test_wild_samples_break_no_codec(audio_format: AudioFormat) -> None:
    samples = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30] * 4_000, np.float32)
    back = played(encode(samples, audio_format, 16_000), audio_format, 16_000)
    assert np.abs(back).max() <= 1


@given(
    hnp.arrays(np.float32, st.integers(1, 9_000), elements=st.floats(-1, 1, width=32), fill=st.just(0.25)),
    st.lists(st.integers(0, 9_000), max_size=6),
    st.sampled_from(EXACT),
)
def test_cuts_do_not_matter(signal: Signal, cuts: list[int], audio_format: AudioFormat) -> None:
    whole = played(encode(signal, audio_format, 16_000), audio_format, 16_000)
    parts = played(streamed(signal, audio_format, 16_000, cuts), audio_format, 16_000)
    np.testing.assert_array_equal(parts, whole)
    np.testing.assert_allclose(whole, signal, atol=1 / 32_768)


@pytest.mark.parametrize("audio_format", ["mp3", "opus", "aac"])
@pytest.mark.parametrize("rate", [24_000, 40_000])
def test_lossy_streams_equal_whole_files(audio_format: AudioFormat, rate: int) -> None:
    signal = sweep(SECONDS, rate)
    whole = played(encode(signal, audio_format, rate), audio_format, rate)
    for cuts in ([], [1, 2, 3, 17_000], list(range(500, 30_000, 500))):
        parts = played(streamed(signal, audio_format, rate, cuts), audio_format, rate)
        delay = delay_of(parts, whole)
        assert parts.size >= delay + whole.size
        # mp3 at 40 kHz is resampled to 44.1, where its delay is no whole number of samples at 40
        tolerance = 0.05 if (audio_format, rate) == ("mp3", 40_000) else 2e-3
        np.testing.assert_allclose(parts[delay:][: whole.size][200:-200], whole[200:-200], atol=tolerance)


@pytest.mark.parametrize("audio_format", FORMATS)
def test_first_bytes_leave_before_all_input_is_in(audio_format: AudioFormat) -> None:
    with AudioEncoder(audio_format, 24_000) as encoder:
        chunks = [encoder.write(block) for block in np.array_split(sweep(10, 24_000), 100)]
        chunks.append(encoder.finish())
    assert any(chunks[:4])  # 0.4 s
    assert len([chunk for chunk in chunks if chunk]) > 41


@pytest.mark.parametrize("audio_format", FORMATS)
def test_no_samples_at_all(audio_format: AudioFormat) -> None:
    assert isinstance(encode(np.zeros(0, np.float32), audio_format, 16_000), bytes)
    assert isinstance(streamed_file([], audio_format, 16_000), bytes)


@pytest.mark.parametrize("audio_format", FORMATS)
@pytest.mark.parametrize("whole", [True, False])
def test_less_than_a_frame(audio_format: AudioFormat, whole: bool) -> None:
    signal = sweep(0.005, 16_000)
    data = encode(signal, audio_format, 16_000) if whole else streamed(signal, audio_format, 16_000, [])
    assert played(data, audio_format, 16_000).size >= signal.size


class TestWav:
    def test_whole_headers_tell_the_size(self) -> None:
        data = encode(sweep(1, 16_000), "wav", 16_000)
        with wave.open(io.BytesIO(data)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
            assert file.getnframes() == 16_000
        assert int.from_bytes(data[4:8], "little") == len(data) - 8

    def test_streamed_headers_leave_it_open(self) -> None:
        data = streamed(sweep(1, 16_000), "wav", 16_000, [5_000])
        assert data[4:8] == data[40:44] == b"\xff\xff\xff\xff"
        read, rate = soundfile.read(io.BytesIO(data), dtype="float32")
        assert (read.size, rate) == (16_000, 16_000)
        with wave.open(io.BytesIO(data)) as file:
            assert len(file.readframes(20_000)) == 32_000

    def test_the_header_leaves_with_the_first_block(self) -> None:
        with AudioEncoder("wav", 16_000) as encoder:
            assert len(encoder.write(np.zeros(10, np.float32))) == 44 + 20
            assert len(encoder.write(np.zeros(10, np.float32))) == 20
            assert encoder.finish() == b""


@pytest.mark.parametrize(("audio_format", "magic"), [("flac", b"fLaC"), ("opus", b"OggS"), ("wav", b"RIFF")])
def test_other_readers_agree(audio_format: AudioFormat, magic: bytes) -> None:
    signal = sweep(SECONDS, 48_000)
    versions = [encode(signal, audio_format, 48_000)]
    if audio_format != "flac":  # libsndfile wants to know the length of a flac
        versions.append(streamed(signal, audio_format, 48_000, [7_000]))
    for data in versions:
        assert data.startswith(magic)
        read, rate = soundfile.read(io.BytesIO(data), dtype="float32")
        assert rate == 48_000
        assert read.size == signal.size
        assert correlation(read, signal) > 0.99


@pytest.mark.parametrize("audio_format", ["mp3", "opus", "aac"])
def test_bit_rates_are_heeded(audio_format: AudioFormat) -> None:
    signal = np.random.default_rng(0).normal(0, 0.2, 48_000 * 3).astype(np.float32)
    low, high = (encode(signal, audio_format, 48_000, bit_rate=rate) for rate in (32_000, 128_000))
    assert len(low) == pytest.approx(32_000 / 8 * 3, rel=0.25)
    assert len(high) == pytest.approx(128_000 / 8 * 3, rel=0.25)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("audio_format", FORMATS)
def test_bit_rates_are_lowered_to_what_the_rate_allows(audio_format: AudioFormat, rate: int) -> None:
    assert encode(sweep(0.5, rate), audio_format, rate, bit_rate=256_000)


@pytest.mark.parametrize("rate", [1_000, 7_350, 11_111, 96_000, 192_000, 655_350])
@pytest.mark.parametrize("audio_format", FORMATS)
def test_unusual_rates(audio_format: AudioFormat, rate: int) -> None:
    signal = np.full(rate, 0.25, np.float32)
    back = played(encode(signal, audio_format, rate), audio_format, rate)
    assert back.size >= signal.size
    assert np.median(back) == pytest.approx(0.25, abs=0.02) or audio_format == "opus"  # which filters out DC


class TestMistakes:
    def test_unknown_format(self) -> None:
        with pytest.raises(ClientError, match="'mp4' is not known; choose one of wav, pcm, flac"):
            AudioEncoder("mp4", 16_000)  # type: ignore[arg-type]

    @pytest.mark.parametrize("bit_rate", [-1, 0, 128, 10**9])
    def test_impossible_bit_rate(self, bit_rate: int) -> None:
        with pytest.raises(ClientError, match="choose 8000 to 320000"):
            AudioEncoder("mp3", 16_000, bit_rate=bit_rate)

    @pytest.mark.parametrize("rate", [0, -1, 999, 10**6])
    def test_impossible_rate(self, rate: int) -> None:
        with pytest.raises(ValueError, match="sample_rate"):
            AudioEncoder("wav", rate)

    def test_stereo_block(self) -> None:
        with AudioEncoder("wav", 16_000) as encoder, pytest.raises(ValueError, match="one-dimensional"):
            encoder.write(np.zeros((2, 100), np.float32))

    @pytest.mark.parametrize("audio_format", FORMATS)
    def test_writing_after_the_end(self, audio_format: AudioFormat) -> None:
        encoder = AudioEncoder(audio_format, 16_000)
        encoder.write(np.zeros(100, np.float32))
        encoder.finish()
        assert encoder.finish() == b""
        encoder.close()
        with pytest.raises(ValueError, match="finished"):
            encoder.write(np.zeros(100, np.float32))


@pytest.mark.parametrize("audio_format", FORMATS)
@pytest.mark.parametrize("count", [0, 1, 20])
def test_a_stream_may_be_abandoned(audio_format: AudioFormat, count: int) -> None:
    encoder, chunks = AudioEncoder(audio_format, 24_000), 0
    while chunks < count:
        chunks += bool(encoder.write(sweep(0.1, 24_000)))
    encoder.close()
    assert encoder.finish() == b""
    with pytest.raises(ValueError, match="finished"):
        encoder.write(sweep(0.1, 24_000))
    encoder.close()


def test_a_long_stream_takes_no_memory() -> None:
    block = sweep(1, 24_000)
    for audio_format in ("wav", "flac", "opus"):
        with AudioEncoder(audio_format, 24_000) as encoder:
            encoder.write(block)
            tracemalloc.start()
            for _ in range(60):
                encoder.write(block)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 1e6


def test_many_encoders_at_once() -> None:
    def work(audio_format: AudioFormat) -> bytes:
        return streamed(sweep(SECONDS, 24_000), audio_format, 24_000, [3_000, 20_000])

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(work, FORMATS * 3))
    for audio_format, data in zip(FORMATS * 3, results, strict=True):
        if audio_format != "opus":  # the serial number of an Ogg stream is random
            assert data == work(audio_format)


def test_every_format_is_described() -> None:
    assert set(CONTENT_TYPES) == set(EXTENSIONS) == set(FORMATS)
    assert CONTENT_TYPES["mp3"] == "audio/mpeg"
    assert EXTENSIONS["opus"] == ".opus"
    stored = io.BytesIO(encode(sweep(1, 16_000), "opus", 16_000))
    assert (probe(stored).container, probe(stored).codec) == ("ogg", "opus")
