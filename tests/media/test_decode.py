"""Decoding of sane files: the right samples, for every container."""

import io
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
import soundfile
from faster_whisper import decode_audio
from hypothesis import given
from hypothesis import strategies as st

from media.decode import AudioDecoder, AudioInfo, RawPcm, probe
from media.errors import AudioTooLong, UndecodableAudio
from tests.media.sound import container, correlation, decoded, delay_of, int16, mp3_frames, sweep, tone, wav

SECONDS = 2.0
# name: muxer, codec, sample rate, channels, video, libav's format, libav's decoder
CONTAINERS = {
    "wav": ("wav", "pcm_s16le", 22_050, 1, False, "wav", "pcm_s16le"),
    "wav float": ("wav", "pcm_f32le", 44_100, 2, False, "wav", "pcm_f32le"),
    "wav 24 bit": ("wav", "pcm_s24le", 48_000, 2, False, "wav", "pcm_s24le"),
    "wav mu-law": ("wav", "pcm_mulaw", 8_000, 1, False, "wav", "pcm_mulaw"),
    "mp3": ("mp3", "libmp3lame", 44_100, 2, False, "mp3", "mp3float"),
    "flac": ("flac", "flac", 48_000, 2, False, "flac", "flac"),
    "flac 5.1": ("flac", "flac", 48_000, 6, False, "flac", "flac"),
    "ogg opus": ("ogg", "libopus", 48_000, 1, False, "ogg", "opus"),
    "ogg flac": ("ogg", "flac", 16_000, 1, False, "ogg", "flac"),
    "m4a": ("ipod", "aac", 44_100, 2, False, "mov,mp4,m4a,3gp,3g2,mj2", "aac"),
    "m4a alac": ("ipod", "alac", 44_100, 2, False, "mov,mp4,m4a,3gp,3g2,mj2", "alac"),
    "aac": ("adts", "aac", 44_100, 1, False, "aac", "aac"),
    "webm": ("webm", "libopus", 48_000, 1, False, "matroska,webm", "opus"),
    "amr": ("amr", "libopencore_amrnb", 8_000, 1, False, "amr", "amrnb"),
    "3gp": ("3gp", "libopencore_amrnb", 8_000, 1, False, "mov,mp4,m4a,3gp,3g2,mj2", "amrnb"),
    "mp4 video": ("mp4", "aac", 44_100, 2, True, "mov,mp4,m4a,3gp,3g2,mj2", "aac"),
    "mkv video": ("matroska", "libopus", 48_000, 2, True, "matroska,webm", "opus"),
    "ts video": ("mpegts", "aac", 44_100, 2, True, "mpegts", "aac"),
    "avi video": ("avi", "libmp3lame", 44_100, 2, True, "avi", "mp3float"),
    "aiff": ("aiff", "pcm_s16be", 44_100, 2, False, "aiff", "pcm_s16be"),
    "au": ("au", "pcm_s16be", 16_000, 1, False, "au", "pcm_s16be"),
    "caf": ("caf", "pcm_s16le", 44_100, 1, False, "caf", "pcm_s16le"),
    "wavpack": ("wv", "wavpack", 44_100, 1, False, "wv", "wavpack"),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_gives_its_sound(name: str) -> None:
    muxer, codec, rate, channels, video, demuxer, decoder = CONTAINERS[name]
    data = container(sweep(SECONDS, rate), rate, muxer, codec, channels=channels, video=video)
    info = probe(io.BytesIO(data))
    assert (info.container, info.codec) == (demuxer, decoder)
    assert (info.sample_rate, info.channels) == (rate, channels)
    assert info.duration_s == pytest.approx(SECONDS, abs=0.15)

    samples, original = decoded(data), sweep(SECONDS, 16_000)
    assert samples.dtype == np.float32
    assert -0.002 <= delay_of(samples, original) / 16_000 < 0.15
    assert SECONDS <= samples.size / 16_000 < SECONDS + 0.15
    assert correlation(samples, original) > (0.9 if "amr" in decoder else 0.97)

    reference = decode_audio(io.BytesIO(data))
    assert samples.size == reference.size
    np.testing.assert_allclose(samples, reference, atol=1e-3)


def test_ogg_vorbis() -> None:
    stored = io.BytesIO()
    soundfile.write(stored, sweep(SECONDS, 44_100), 44_100, format="OGG", subtype="VORBIS")
    assert probe(stored).codec == "vorbis"
    assert correlation(decoded(stored.getvalue()), sweep(SECONDS, 16_000)) > 0.99


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_resampling_is_accurate_and_keeps_the_length(rate: int, channels: int) -> None:
    pcm = np.repeat(int16(tone(SECONDS, rate)), channels)
    samples = decoded(wav(pcm.tobytes(), rate, channels))
    assert samples.size == SECONDS * 16_000
    middle = slice(800, -800)  # the resampler's filter rings at the ends
    np.testing.assert_allclose(samples[middle], tone(SECONDS, 16_000)[middle], atol=2e-4)


@given(st.binary(min_size=2, max_size=6_000), st.integers(1, 4_000))
def test_16_bit_mono_is_exact_however_it_is_cut(pcm: bytes, block_samples: int) -> None:
    pcm = pcm[: len(pcm) // 2 * 2]
    expected = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
    with AudioDecoder(io.BytesIO(wav(pcm)), block_samples=block_samples) as decoder:
        blocks = list(decoder)
    assert [block.size for block in blocks[:-1]] == [block_samples] * (len(blocks) - 1)
    assert all(block.ndim == 1 and block.dtype == np.float32 for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks), expected)
    np.testing.assert_array_equal(expected, decode_audio(io.BytesIO(wav(pcm))))


@pytest.mark.parametrize("samples", [8_191, 8_192, 8_193, 3 * 8_192])
@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_lengths_around_the_batches_of_the_resampler(samples: int, rate: int) -> None:
    pcm = np.random.default_rng(0).integers(-9_000, 9_000, samples).astype("<i2").tobytes()
    assert decoded(wav(pcm, rate)).size == pytest.approx(samples * 16_000 / rate, abs=1)


def test_other_rates_can_be_wanted() -> None:
    samples = decoded(wav(int16(tone(SECONDS, 16_000)).tobytes()), 44_100)
    assert samples.size == SECONDS * 44_100
    np.testing.assert_allclose(samples[2000:-2000], tone(SECONDS, 44_100)[2000:-2000], atol=2e-4)


def test_a_downmix_is_the_mean_and_cannot_clip() -> None:
    pair = np.stack([np.full(16_000, 0.9, np.float32), np.full(16_000, 0.5, np.float32)], 1)
    stored = io.BytesIO()
    soundfile.write(stored, pair, 16_000, format="WAV", subtype="FLOAT")
    np.testing.assert_allclose(decoded(stored.getvalue()), 0.7, atol=1e-6)


def test_floats_beyond_full_scale_are_clipped_and_nan_is_silence() -> None:
    samples = np.array([0.5, 3.0, -3.0, np.inf, -np.inf, np.nan, 0.25], np.float32)
    stored = io.BytesIO()
    soundfile.write(stored, samples, 16_000, format="WAV", subtype="FLOAT")
    np.testing.assert_array_equal(decoded(stored.getvalue()), np.float32([0.5, 1, -1, 1, -1, 0, 0.25]))


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_raw_pcm(channels: int, order: str) -> None:
    pcm = np.repeat(int16(tone(SECONDS, 8_000)), channels).astype("<i2" if order == "little" else ">i2")
    raw = RawPcm(sample_rate=8_000, channels=channels, byte_order=order)  # type: ignore[arg-type]
    data = io.BytesIO(pcm.tobytes() + b"\0")  # a lone last byte is dropped
    info = probe(data, raw=raw)
    assert (info.sample_rate, info.channels) == (8_000, channels)
    assert info.duration_s == pytest.approx(SECONDS, abs=1e-3)
    samples = decoded(data.getvalue(), raw=raw)
    assert samples.size == SECONDS * 16_000
    assert correlation(samples, tone(SECONDS, 16_000)) > 0.999


@pytest.mark.parametrize("raw", [RawPcm(0), RawPcm(10**9), RawPcm(16_000, 0), RawPcm(16_000, 255)])
def test_impossible_raw_pcm_is_refused(raw: RawPcm) -> None:
    with pytest.raises(UndecodableAudio, match=r"Raw PCM .* send 1"):
        probe(io.BytesIO(bytes(1000)), raw=raw)


def test_a_path_works_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "http:misleading.m3u8"
    path.write_bytes(wav(int16(tone(1, 16_000)).tobytes()))
    assert probe(path) == AudioInfo(1.0, "wav", "pcm_s16le", 16_000, 1)
    with AudioDecoder(path) as decoder:
        assert sum(block.size for block in decoder) == 16_000
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "missing.wav")


def test_files_are_read_from_their_beginning_and_stay_open() -> None:
    file = io.BytesIO(wav(int16(tone(1, 16_000)).tobytes()))
    file.seek(0, io.SEEK_END)
    for _ in range(2):
        with AudioDecoder(file) as decoder:
            assert sum(block.size for block in decoder) == 16_000
    assert not file.closed


@pytest.mark.parametrize("muxer", ["wav", "mp3", "ogg", "matroska", "adts"])
def test_files_that_cannot_seek_work_for_streaming_formats(muxer: str) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise OSError("this is a pipe")

    codec = {"wav": "pcm_s16le", "mp3": "libmp3lame", "adts": "aac"}.get(muxer, "libopus")
    data = container(tone(SECONDS, 48_000), 48_000, muxer, codec)
    with AudioDecoder(Pipe(data), max_duration_s=SECONDS) as decoder:
        assert sum(block.size for block in decoder) == pytest.approx(SECONDS * 16_000, abs=1200)


def test_the_first_audio_track_is_used() -> None:
    target = io.BytesIO()
    with av.open(target, "w", format="matroska") as out:
        tracks = [out.add_stream("flac", rate=16_000, layout="mono") for _ in range(2)]
        for track, hertz in zip(tracks, (440, 880), strict=True):
            frame = av.AudioFrame.from_ndarray(int16(tone(1, 16_000, hertz))[None], "s16", "mono")
            frame.sample_rate, frame.pts = 16_000, 0
            out.mux(track.encode(frame))
            out.mux(track.encode(None))
    np.testing.assert_allclose(decoded(target.getvalue()), tone(1, 16_000, 440), atol=1e-4)


def test_variable_parameters_within_one_stream() -> None:
    """Two mp3 files in one, of different rates and channel counts, as cheap tools join them."""
    samples = decoded(mp3_frames(1, 44_100, channels=2) + mp3_frames(1, 22_050))
    assert samples.size == pytest.approx(2 * 16_000, abs=4_000)
    assert np.abs(samples[-6_000:-4_000]).max() > 0.4


class TestDuration:
    def test_declared_durations_are_refused_at_once(self) -> None:
        data = io.BytesIO(wav(bytes(2 * 16_000 * 20)))
        with pytest.raises(AudioTooLong, match=r"20\.0 s.*at most 10 s"):
            AudioDecoder(data, max_duration_s=10)
        with AudioDecoder(data, max_duration_s=20) as decoder:
            assert decoder.info.duration_s == 20

    @pytest.mark.parametrize("muxer", ["ogg", "matroska", "ipod"])
    def test_codec_padding_does_not_count(self, muxer: str) -> None:
        data = container(tone(5, 48_000), 48_000, muxer, "aac" if muxer == "ipod" else "libopus")
        with AudioDecoder(io.BytesIO(data), max_duration_s=5) as decoder:
            assert sum(block.size for block in decoder) >= 5 * 16_000

    def test_a_lying_header_is_found_out_while_decoding(self) -> None:
        flac = bytearray(container(tone(20, 16_000), 16_000, "flac", "flac"))
        flac[21] &= 0xF0  # the 36 bits of the number of samples, here 100
        flac[22:26] = (100).to_bytes(4, "big")
        with AudioDecoder(io.BytesIO(flac), max_duration_s=10, block_samples=16_000) as decoder:
            assert decoder.info.duration_s == pytest.approx(100 / 16_000)
            for _ in range(10):
                assert next(decoder).size == 16_000
            with pytest.raises(AudioTooLong, match="at most 10 s"):
                next(decoder)

    def test_a_wrong_estimate_is_not_held_against_the_file(self) -> None:
        """Variable bit rate without a table: libav takes the low rate of the beginning for the whole."""
        quiet, loud = (mp3_frames(2, 44_100, bit_rate=bit_rate) for bit_rate in (32_000, 320_000))
        data = io.BytesIO(5 * quiet + 5 * loud)
        assert (probe(data).duration_s or 0) > 60
        with AudioDecoder(data, max_duration_s=22) as decoder:
            assert decoder.info.duration_s == pytest.approx(20, abs=1)
            assert sum(block.size for block in decoder) == pytest.approx(20 * 16_000, abs=16_000)
        with pytest.raises(AudioTooLong, match=r"or more.*at most 6 s"):
            AudioDecoder(data, max_duration_s=6)

    def test_endless_headers_tell_no_duration(self) -> None:
        pcm = int16(tone(2, 16_000)).tobytes()
        for size in (0xFFFFFFFF, 0x80000000, 0x7FFF0000, 0, len(pcm) + 1_000):
            assert decoded(wav(pcm, size=size)).size == 2 * 16_000

    def test_a_header_that_says_too_little_is_believed(self) -> None:
        assert decoded(wav(int16(tone(2, 16_000)).tobytes(), size=32_000)).size == 16_000


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 minutes of mp3 at 16 kbit/s: 3 MB that decode to 96 MB of floats."""
    path = tmp_path_factory.mktemp("long") / "long.mp3"
    path.write_bytes(mp3_frames(30, 16_000, bit_rate=16_000) * 50)
    return path


def test_memory_does_not_grow_with_the_length(long_file: Path) -> None:
    process = psutil.Process()
    with long_file.open("rb", buffering=0) as file, AudioDecoder(file) as decoder:
        assert decoder.info.duration_s == pytest.approx(1500, abs=6)
        total = next(decoder).size
        assert file.tell() < long_file.stat().st_size / 10  # the first block came early
        before = process.memory_info().rss
        tracemalloc.start()
        for block in decoder:
            total += block.size
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        grown = process.memory_info().rss - before
    assert total == pytest.approx(1500 * 16_000, abs=100_000)
    assert peak < 4e6
    assert grown < 16e6


def test_many_decoders_at_once() -> None:
    files = [container(tone(3, 44_100, 200 + 50 * i), 44_100, "mp3", "libmp3lame") for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(decoded, files * 3))
    for index, samples in enumerate(results):
        np.testing.assert_array_equal(samples, decoded(files[index % 8]))


class TestClosing:
    def test_is_idempotent_and_ends_the_iteration(self) -> None:
        decoder = AudioDecoder(io.BytesIO(wav(bytes(64_000))), block_samples=1_000)
        next(decoder)
        decoder.close()
        decoder.close()
        assert list(decoder) == []

    def test_from_another_thread_waits_for_the_block(self, long_file: Path) -> None:
        decoder = AudioDecoder(long_file, block_samples=16_000)
        begun, counts = threading.Event(), []

        def consume() -> None:
            for count, _ in enumerate(decoder):
                counts.append(count)
                begun.set()

        thread = threading.Thread(target=consume)
        thread.start()
        begun.wait(10)
        decoder.close()
        thread.join(10)
        assert not thread.is_alive()
        assert 1 <= len(counts) < 1500

    def test_leaves_no_open_file(self, tmp_path: Path) -> None:
        path = tmp_path / "x.wav"
        path.write_bytes(wav(bytes(64_000)))
        (tmp_path / "text.wav").write_text("no sound")
        before = psutil.Process().num_fds()
        for _ in range(5):
            with AudioDecoder(path) as decoder:
                next(decoder)
            with pytest.raises(UndecodableAudio):
                AudioDecoder(tmp_path / "text.wav")
        assert psutil.Process().num_fds() == before


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a wav file, padded to an even size."""
    return name + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)


PCM = int16(tone(1, 16_000)).tobytes()
FORM, DATA = wav(PCM)[12:36], chunk(b"data", PCM)
EXTENSIBLE = (
    b"\xfe\xff" + FORM[10:] + bytes.fromhex("1600 1000 04000000 0100000000001000800000aa00389b71")
)  # 16 bits that count, front centre, PCM


@pytest.mark.parametrize(
    "chunks",
    [
        FORM + DATA + chunk(b"LIST", b"INFOISFT" + b"\x06\0\0\0Lavf62"),
        FORM + DATA + b"\0garbage behind the last chunk" * 9,
        FORM + chunk(b"LIST", b"INFO" + chunk(b"INAM", b"a name of odd size")) + DATA,
        chunk(b"JUNK", bytes(28)) + FORM + DATA,
        chunk(b"bext", bytes(100_000)) + FORM + DATA,
        FORM + chunk(b"fact", bytes(4)) + DATA,
        FORM + chunk(b"abcd", b"odd") + DATA,
        FORM + chunk(b"LIST", b"INFOabc")[:-1] + DATA,
        chunk(b"fmt ", EXTENSIBLE) + DATA,
    ],
    ids=[
        "info behind",
        "garbage behind",
        "info before",
        "junk",
        "bext",
        "fact",
        "odd chunk",
        "no padding",
        "extensible",
    ],
)
def test_wav_files_with_other_chunks(chunks: bytes) -> None:
    samples = decoded(b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WAVE" + chunks)
    np.testing.assert_allclose(samples, np.frombuffer(PCM, "<i2") / np.float32(32768), atol=1e-6)


def test_an_odd_number_of_bytes() -> None:
    assert decoded(wav(PCM + b"\x01")).size == 16_000


@pytest.mark.parametrize("samples", [1, 16, 80, 160, 320, 800, 1_600, 3_200, 6_400])
def test_a_moment_of_sound(samples: int) -> None:
    assert decoded(wav(PCM[: 2 * samples])).size == samples


def test_an_m4a_whose_index_comes_first_sounds_the_same(tmp_path: Path) -> None:
    last, path = container(tone(1, 44_100), 44_100, "ipod", "aac"), tmp_path / "first.m4a"
    options = {"movflags": "+faststart"}
    with av.open(io.BytesIO(last)) as source, av.open(path, "w", container_options=options) as target:
        track = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = track
                target.mux(packet)
    first = path.read_bytes()
    assert first.index(b"moov") < first.index(b"mdat")
    assert last.index(b"moov") > last.index(b"mdat")
    np.testing.assert_array_equal(decoded(first), decoded(last))
