"""Times of the medium: late tracks and gaps, in every container that tells the time."""

import contextlib
import io
import logging
import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.decode import AudioDecoder, probe
from media.errors import AudioTooLong
from tests.media.files.made import DATA
from tests.media.sound import Signal, container, decoded, delay_of, mp3_frames, sweep, tone, wav

RATE = 16_000
LATE_S, GAP_S = 2.0, 3.0
# muxer, encoder, Hz, encoder of pictures (none: there is no video)
TIMED = {
    "mkv aac": ("matroska", "aac", 44_100, "mpeg4"),
    "mkv opus": ("matroska", "libopus", 48_000, "mpeg4"),
    "mkv pcm": ("matroska", "pcm_s16le", 16_000, "mpeg4"),
    "mkv mp3": ("matroska", "libmp3lame", 44_100, "mpeg4"),
    "webm": ("webm", "libopus", 48_000, None),
    "mka": ("matroska", "flac", 16_000, None),
    "mp4": ("mp4", "aac", 44_100, "mpeg4"),
    "mov": ("mov", "alac", 16_000, "mpeg4"),
    "m4a": ("ipod", "aac", 44_100, None),
    "ts aac": ("mpegts", "aac", 44_100, "mpeg4"),
    "ts mp2": ("mpegts", "mp2", 48_000, "mpeg4"),
    "mpg": ("mpeg", "mp2", 48_000, "mpeg1video"),
    "flv": ("flv", "aac", 44_100, "flv"),
    "wmv": ("asf", "wmav2", 44_100, "wmv2"),
    "nut": ("nut", "flac", 44_100, "mpeg4"),
    "ogg": ("ogg", "libopus", 48_000, None),
}
# Its track begins when the file does: an Ogg file may have been cut from a stream that had been on for hours.
WITHOUT_START = {"ogg"}


def heard(data: bytes, limit_s: float | None = 60.0) -> Signal:
    with AudioDecoder(io.BytesIO(data), fill_gaps=True, max_duration_s=limit_s, block_samples=7_000) as decoder:
        blocks = list(decoder)
    assert [block.size for block in blocks[:-1]] == [7_000] * (len(blocks) - 1)
    return np.concatenate(blocks)


def made(name: str, moved: Callable[[float], float]) -> bytes:
    """Two seconds of a sweep in four seconds of video."""
    muxer, encoder, rate, pictures = TIMED[name]
    return container(
        sweep(2, rate),
        rate,
        muxer,
        encoder,
        bit_rate=64_000 if "wma" in encoder else None,
        video=pictures is not None,
        pictures_by=pictures or "",
        moved=moved,
    )


@pytest.mark.parametrize("name", TIMED)
def test_a_late_track_and_a_gap_are_silence(name: str) -> None:
    data = made(name, lambda time: time + LATE_S + (GAP_S if time >= 1 else 0.0))
    late_s = 0.0 if name in WITHOUT_START else LATE_S
    samples, first, second = heard(data), sweep(2, RATE)[:RATE], sweep(2, RATE)[RATE:]
    assert samples.size / RATE == pytest.approx(late_s + GAP_S + 2, abs=0.12)
    at = round(late_s * RATE)
    assert not samples[: max(0, at - 1_600)].any()
    assert delay_of(samples[: at + RATE], first) / RATE == pytest.approx(late_s, abs=0.1)
    gap = samples[at + RATE + 1_600 : at + RATE + round(GAP_S * RATE) - 1_600]
    assert gap.size > 2 * RATE
    assert not gap.any()
    assert delay_of(samples, np.concatenate([np.zeros(at + round((1 + GAP_S) * RATE), np.float32), second])) == (
        pytest.approx(0, abs=0.1 * RATE)
    )


@given(st.lists(st.one_of(st.integers(0, 80), st.integers(150, 20_000)), min_size=1, max_size=4))
def test_random_gaps_are_exact(gaps_ms: list[int]) -> None:
    """Before each second of a track without compression; the first of them is its start. Jitter stays below."""
    sound = sweep(len(gaps_ms), RATE)
    real_ms = [gap if gap > 100 else 0 for gap in gaps_ms]
    jitter_s = [(gap if gap <= 100 else 0) / 1000 for gap in gaps_ms]
    moved_s = [sum(real_ms[: index + 1]) / 1000 + jitter_s[index] for index in range(len(gaps_ms))]
    data = container(sound, RATE, "matroska", "pcm_f32le", moved=lambda time: time + moved_s[round(time)])
    parts = [
        part
        for index, gap in enumerate(real_ms)
        for part in (np.zeros(gap * RATE // 1000, np.float32), sound[index * RATE : (index + 1) * RATE])
    ]
    np.testing.assert_array_equal(heard(data, limit_s=100), np.concatenate(parts))


@pytest.mark.parametrize("name", TIMED)
def test_priming_and_rounded_timestamps_are_no_gaps(name: str) -> None:
    data = made(name, float)
    np.testing.assert_array_equal(heard(data), decoded(data))


@pytest.mark.parametrize("name", ["mkv aac", "mkv opus", "ts aac", "flv", "nut"])
def test_jitter_is_no_gap(name: str) -> None:
    """As in what a server recorded by the time at which packets came in."""
    noise = np.random.default_rng(0)
    data = made(name, lambda time: time + 0.03 + float(noise.uniform(0, 0.015)))
    np.testing.assert_array_equal(heard(data), decoded(data))


@pytest.mark.parametrize("name", ["offset5.mkv", "offset5.mp4"])
def test_speech_five_seconds_after_the_video_begins(name: str) -> None:
    data = (DATA / name).read_bytes()
    green = decoded((DATA / "green.flac").read_bytes())
    samples = heard(data)
    assert samples.size / RATE == pytest.approx(7.37, abs=0.02)
    assert delay_of(samples, green) / RATE == pytest.approx(5.0, abs=0.001)
    assert decoded(data).size / RATE == pytest.approx(2.43, abs=0.01)  # where only the sound is wanted


def test_the_declared_duration_counts_the_start() -> None:
    with AudioDecoder(DATA / "offset5.mp4", fill_gaps=True) as decoder:
        assert decoder.info.duration_s == pytest.approx(7.34, abs=0.01)
    assert probe(DATA / "offset5.mp4").duration_s == pytest.approx(2.40, abs=0.01)


@pytest.mark.parametrize("options", [{"live": "1"}, {}])
def test_a_live_recording_begins_with_its_first_packet(options: dict[str, str]) -> None:
    """Nobody wrote a duration into it, so its first timestamp is the time of a stream that was already on."""
    data = container(tone(1, 48_000), 48_000, "webm", "libopus", options=options, moved=lambda time: time + 20)
    assert heard(data).size / RATE == pytest.approx(1 if options else 21, abs=0.1)


def test_a_live_recording_as_fragments_begins_with_its_first_packet() -> None:
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof+frag_discont"}
    data = container(tone(1, 48_000), 48_000, "mp4", "aac", options=options, moved=lambda time: time + 20)
    assert heard(data).size / RATE == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("muxer", "codec"),
    [("mpegts", "aac"), ("flv", "aac"), ("ogg", "libopus"), ("vob", "mp2"), ("webm", "libopus")],
)
def test_a_stream_that_had_been_on_for_hours(muxer: str, codec: str) -> None:
    options = {"live": "1"} if muxer == "webm" else {}
    data = container(tone(1, 48_000), 48_000, muxer, codec, options=options, moved=lambda time: time + 20_000)
    assert heard(data).size / RATE == pytest.approx(1, abs=0.1)


def test_files_that_were_joined_go_on_without_a_gap(caplog: pytest.LogCaptureFixture) -> None:
    """Two transport streams in one: the second begins with the time of the first."""
    one = container(sweep(3, 48_000), 48_000, "mpegts", "mp2", moved=lambda time: time + 30)
    with caplog.at_level(logging.WARNING):
        assert heard(one + one).size / RATE == pytest.approx(6, abs=0.2)
    assert [record.message for record in caplog.records if "begins anew" in record.message]


@pytest.mark.parametrize("name", ["ts aac", "mpg"])
def test_an_unbelievable_gap_is_none_and_is_said(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Ten hours in a stream, whose duration is known by nothing but its timestamps."""
    data = made(name, lambda time: time + (36_000.0 if time >= 1 else 0.0))
    with caplog.at_level(logging.WARNING):
        assert heard(data).size / RATE == pytest.approx(2, abs=0.2)
    assert "after 1.0 s the clock of a file begins anew" in caplog.text


@pytest.mark.parametrize("name", ["webm", "mkv aac", "mp4", "nut"])
def test_a_gap_that_the_file_declares_counts_against_the_limit(name: str) -> None:
    with pytest.raises(AudioTooLong, match=r"lasts 3600\d.*at most 60 s"):
        heard(made(name, lambda time: time + (36_000.0 if time >= 1 else 0.0)))


def test_a_gap_beyond_the_limit_is_refused_before_its_silence_is_made() -> None:
    data = with_duration(made("mkv aac", lambda time: time + (1_800.0 if time >= 1 else 0.0)), 4.0)
    with (
        AudioDecoder(io.BytesIO(data), fill_gaps=True, max_duration_s=60) as decoder,
        pytest.raises(AudioTooLong, match=r"goes on after 60\.5 s.*at most 60 s"),
    ):
        next(decoder)
    assert heard(data, limit_s=3_600).size / RATE == pytest.approx(1_802, abs=0.1)


@pytest.mark.parametrize("duration", [float("nan"), float("-inf"), -1.0, 0.0])
def test_a_duration_that_is_none(duration: float) -> None:
    data = with_duration(made("mka", lambda time: time + LATE_S), duration)
    assert 2 <= heard(data).size / RATE <= 2.1 + LATE_S


@pytest.mark.parametrize("duration", [float("inf"), 1e300])
def test_a_duration_beyond_all_measure_is_refused_or_is_none(duration: float) -> None:
    data = with_duration(made("mka", lambda time: time + LATE_S), duration)
    with contextlib.suppress(AudioTooLong):
        assert 2 <= heard(data).size / RATE <= 2.1 + LATE_S


def with_duration(data: bytes, seconds: float) -> bytes:
    """A Matroska file that declares another duration."""
    at = data.index(b"\x44\x89\x88") + 3
    return data[:at] + struct.pack(">d", seconds * 1_000) + data[at + 8 :]


def test_formats_without_timestamps_have_no_gaps() -> None:
    joined = mp3_frames(1, 44_100) + bytes(3_000) + mp3_frames(1, 44_100)
    np.testing.assert_array_equal(heard(joined), decoded(joined))
    pcm = wav(bytes(RATE))
    np.testing.assert_array_equal(heard(pcm), decoded(pcm))


def test_corrupt_packets_leave_silence_of_their_length() -> None:
    data = bytearray(container(sweep(4, 48_000), 48_000, "matroska", "ac3"))
    whole = decoded(bytes(data)).size
    frames = [at for at in range(len(data)) if data[at : at + 2] == b"\x0b\x77"]
    for at in frames[40:60]:
        data[at : at + 2] = b"\xff\xff"
    assert decoded(bytes(data)).size < whole - 0.5 * RATE
    assert heard(bytes(data)).size == pytest.approx(whole, abs=0.1 * RATE)
