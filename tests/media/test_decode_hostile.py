"""Decoding of files that are damaged, mislabelled or malicious: clear errors, no network, no hang."""

import io
import random
import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media.decode import AudioDecoder, probe
from media.errors import AudioTooLong, UndecodableAudio
from tests.media.sound import container, decoded, int16, silent_video, sweep, tone, wav

NOT_AUDIO = {
    "text": b"The quick brown fox jumps over the lazy dog.\n" * 100,
    "html": b"<!doctype html><html><body>404 Not Found</body></html>",
    "json": b'{"detail": "Not Found"}',
    "zeros": bytes(50_000),
    "random": random.Random(4).randbytes(50_000),
    "one byte": b"R",
    "png": b"\x89PNG\r\n\x1a\n" + bytes(200),
    "pdf": b"%PDF-1.7\n" + random.Random(5).randbytes(5_000),
    "zip": b"PK\x03\x04" + random.Random(6).randbytes(5_000),
    "riff only": b"RIFF\x24\x00\x00\x00WAVE",
    "subtitles": b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:03,000 --> 00:00:04,000\nThere\n",
}


@pytest.mark.parametrize("kind", NOT_AUDIO)
def test_what_is_no_audio_is_said_so(kind: str) -> None:
    with pytest.raises(UndecodableAudio, match=r"[;,] send|cannot be|holds no"):
        decoded(NOT_AUDIO[kind])


def test_an_empty_file() -> None:
    with pytest.raises(UndecodableAudio, match="empty"):
        probe(io.BytesIO())


@pytest.mark.parametrize("size", [None, 0xFFFFFFFF])
def test_a_header_without_samples(size: int | None) -> None:
    with pytest.raises(UndecodableAudio, match="holds no audio"):
        decoded(wav(b"", size=size))


def test_video_without_sound() -> None:
    with pytest.raises(UndecodableAudio, match="no audio track"):
        probe(io.BytesIO(silent_video()))


def test_a_codec_that_is_not_on_the_list() -> None:
    unknown = bytearray(container(tone(1, 16_000), 16_000, "wav", "adpcm_ms"))
    assert unknown[20:22] == b"\x02\x00"
    unknown[20:22] = b"\x70\x02"  # ATRAC3
    with pytest.raises(UndecodableAudio):
        decoded(bytes(unknown))


class TestReferences:
    """Formats that name other files or hosts: nothing may be opened or connected to."""

    @pytest.fixture
    def trap(self) -> Iterator[socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            yield server
            with pytest.raises(BlockingIOError):
                server.accept()

    @pytest.mark.parametrize(
        "playlist",
        [
            "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n",
            "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10,\n{file}\n#EXT-X-ENDLIST\n",
            "ffconcat version 1.0\nfile '{file}'\n",
            "ffconcat version 1.0\nfile '{url}'\n",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="x"><Period><AdaptationSet>'
            '<Representation id="1"><BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>',
            "RTSPtext\r\n{url}\r\n",
        ],
    )
    def test_playlists_are_refused(self, playlist: str, trap: socket.socket, tmp_path: Path) -> None:
        secret = tmp_path / "secret.wav"
        secret.write_bytes(wav(int16(tone(1, 16_000)).tobytes()))
        port = trap.getsockname()[1]
        text = playlist.format(url=f"http://127.0.0.1:{port}/a.ts", file=secret, port=port)
        for name in ("list.m3u8", "list.ffconcat", "list.sdp", "list.mpd", "list%03d.png"):
            path = tmp_path / name
            path.write_text(text)
            with pytest.raises(UndecodableAudio):
                probe(path)

    def test_the_samples_of_a_movie_may_not_lie_in_another_file(self, tmp_path: Path) -> None:
        """A QuickTime data reference: ``alis`` or ``url `` instead of the flag for "in this file"."""
        secret = tmp_path / "secret.pcm"
        secret.write_bytes(int16(tone(1, 16_000)).tobytes())
        movie = container(tone(1, 16_000), 16_000, "mov", "pcm_s16le")
        alias = b"alis" + bytes(4 + 10) + bytes(28) + bytes(12) + bytes(64) + bytes(16 + 4 + 16)
        where = str(secret).encode()
        alias += struct.pack(">HH", 2, len(where)) + where + bytes(len(where) % 2) + b"\xff\xff\0\0"
        entry = struct.pack(">I", len(alias) + 4) + alias
        movie = with_atom(movie, ["moov", "trak", "mdia", "minf", "dinf", "dref"], bytes(7) + b"\1" + entry)
        asked: list[str] = []

        def spy(url: str, flags: int, options: dict[str, str]) -> io.BytesIO:
            asked.append(url)
            return io.BytesIO(secret.read_bytes())

        careless = {"enable_drefs": "1", "use_absolute_path": "1"}
        with av.open(io.BytesIO(movie), container_options=careless, io_open=spy):
            assert asked == [str(secret)]  # the reference is one that libav would follow
        path = tmp_path / "reference.mov"
        path.write_bytes(movie)
        with pytest.raises(UndecodableAudio), AudioDecoder(path) as decoder:
            list(decoder)


def with_atom(movie: bytes, path: list[str], content: bytes) -> bytes:
    """A QuickTime file, its index last, in which the atom at ``path`` holds ``content``."""
    rebuilt, at = b"", 0
    while at < len(movie):
        size, name = struct.unpack_from(">I4s", movie, at)
        body = movie[at + 8 : at + size]
        if path and name == path[0].encode():
            body = with_atom(body, path[1:], content) if path[1:] else content
        rebuilt += struct.pack(">I4s", len(body) + 8, name) + body
        at += size
    return rebuilt


class TestHeaders:
    @pytest.mark.parametrize("rate", [0, 1, 999, 768_001, 10**9, 2**31 - 1, 2**32 - 1])
    def test_unbelievable_sample_rates(self, rate: int) -> None:
        with pytest.raises(UndecodableAudio):
            decoded(wav(bytes(4_000), rate))

    @pytest.mark.parametrize("rate", [1_000, 768_000])
    def test_extreme_sample_rates(self, rate: int) -> None:
        assert decoded(wav(bytes(2 * rate), rate)).size == 16_000

    @pytest.mark.parametrize("channels", [0, 40, 64, 255, 65_535])
    def test_unbelievable_channel_counts(self, channels: int) -> None:
        with pytest.raises(UndecodableAudio):
            decoded(wav(bytes(400_000), channels=channels))

    @pytest.mark.parametrize("channels", [3, 4, 6, 8])
    def test_several_channels_without_a_layout(self, channels: int) -> None:
        pcm = np.repeat(int16(tone(1, 16_000)), channels).tobytes()
        samples = decoded(wav(pcm, channels=channels))
        assert samples.size == 16_000
        assert 0.2 < np.abs(samples).max() <= 1

    def test_bad_tags_do_no_harm(self) -> None:
        tag = b"TIT2\0\0\0\x05\0\0\x03\xff\xfe\xff\xff"
        data = b"ID3\x03\0\0\0\0\0" + bytes([len(tag)]) + tag
        data += container(tone(1, 44_100), 44_100, "mp3", "libmp3lame", options={"id3v2_version": "0"})
        assert decoded(data).size == pytest.approx(16_000, abs=600)


class TestDamage:
    @pytest.mark.parametrize(
        ("muxer", "codec"),
        [
            *(("wav", "pcm_s16le"), ("mp3", "libmp3lame"), ("flac", "flac"), ("ogg", "libopus")),
            *(("adts", "aac"), ("webm", "libopus"), ("mpegts", "aac"), ("aiff", "pcm_s16be")),
        ],
    )
    def test_what_is_cut_off_still_plays_to_the_cut(self, muxer: str, codec: str) -> None:
        data = container(sweep(4, 48_000), 48_000, muxer, codec)
        assert 1 * 16_000 < decoded(data[: len(data) // 2]).size < 3 * 16_000

    @pytest.mark.parametrize("muxer", ["ipod", "mp4", "mov"])
    def test_what_lost_its_index_is_undecodable(self, muxer: str) -> None:
        data = container(tone(4, 48_000), 48_000, muxer, "aac")
        with pytest.raises(UndecodableAudio, match="damaged"):
            decoded(data[: len(data) // 2])

    @pytest.mark.parametrize(("muxer", "codec"), [("mp3", "libmp3lame"), ("flac", "flac"), ("ipod", "aac")])
    def test_a_scratch_is_skipped(self, muxer: str, codec: str) -> None:
        data = bytearray(container(sweep(6, 44_100), 44_100, muxer, codec))
        middle = len(data) // 2
        data[middle : middle + 500] = random.Random(1).randbytes(500)
        assert 5 * 16_000 < decoded(bytes(data)).size < 6.2 * 16_000

    def test_too_many_scratches_are_not(self) -> None:
        data = bytearray(container(sweep(20, 44_100), 44_100, "ipod", "aac"))
        noise = random.Random(2)
        start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
        data[start:end] = noise.randbytes(end - start)
        with pytest.raises(UndecodableAudio, match=r"damaged|no audio"):
            decoded(bytes(data))

    @given(
        st.sampled_from(["wav", "mp3", "flac", "ogg", "ipod", "matroska", "adts", "mpegts"]),
        st.integers(0, 2**32 - 1),
        st.floats(0, 0.02),
    )
    @settings(suppress_health_check=[HealthCheck.too_slow])
    def test_random_damage_ends_in_samples_or_in_one_of_our_errors(
        self, muxer: str, seed: int, share: float
    ) -> None:
        noise = np.random.default_rng(seed)
        data = np.frombuffer(_sane(muxer), np.uint8).copy()
        hit = noise.random(data.size) < share
        hit[: min(400, data.size)] |= noise.random(min(400, data.size)) < share * 2
        data[hit] = noise.integers(0, 256, int(hit.sum()), np.uint8)
        with (
            suppress(UndecodableAudio, AudioTooLong),
            AudioDecoder(io.BytesIO(data.tobytes()), max_duration_s=30) as decoder,
        ):
            for block in decoder:
                assert np.abs(block).max() <= 1


_FILES: dict[str, bytes] = {}


def _sane(muxer: str) -> bytes:
    codec = {"wav": "pcm_s16le", "mp3": "libmp3lame", "flac": "flac", "ogg": "libopus", "matroska": "libopus"}
    if muxer not in _FILES:
        _FILES[muxer] = container(sweep(1.5, 48_000), 48_000, muxer, codec.get(muxer, "aac"))
    return _FILES[muxer]


def test_a_length_that_a_few_bytes_claim_takes_no_memory() -> None:
    """A title of 768 MiB, in a file of 200 bytes."""
    title = b"LIST" + struct.pack("<I", (768 << 20) + 12) + b"INFOINAM" + struct.pack("<I", 768 << 20)
    hostile = wav(b"")[:36] + title + bytes(100)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UndecodableAudio):
        decoded(hostile)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10


def test_errors_of_the_source_pass_through() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 100_000:
                raise OSError("the disk is gone")
            return super().read(size)

    with (
        AudioDecoder(Broken(wav(bytes(400_000))), block_samples=1_000) as decoder,
        pytest.raises(OSError, match="disk is gone"),
    ):
        list(decoder)


def test_a_small_file_cannot_become_hours() -> None:
    """Digital silence in flac: an hour in a few hundred kilobytes."""
    target = io.BytesIO()
    with av.open(target, "w", format="flac") as out:
        track = out.add_stream("flac", rate=8_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8_000 * 60), "<i2"), "s16", "mono")
        frame.sample_rate = 8_000
        for _ in range(60):
            frame.pts = None
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
    assert len(target.getvalue()) < 1_000_000
    with pytest.raises(AudioTooLong, match=r"3600\.0 s.*at most 60 s"):
        probe_limited(target, 60)
    streamed = bytearray(target.getvalue())
    streamed[21] &= 0xF0
    streamed[22:26] = bytes(4)  # no declared length
    with pytest.raises(AudioTooLong, match="at most 60 s"):
        probe_limited(io.BytesIO(streamed), 60)


def probe_limited(file: io.BytesIO, seconds: float) -> int:
    with AudioDecoder(file, max_duration_s=seconds) as decoder:
        return sum(block.size for block in decoder)
