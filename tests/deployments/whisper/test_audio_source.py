"""What users sent: the content decides what it is, times are those of the file, and all of it is heard.

The files have the words and the flaws of those that were reported. What is read of other kinds, and how exactly,
is tested in ``tests/media/files``.
"""

import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from deployments.errors import AudioTooLong, InvalidRequest, UndecodableAudio
from deployments.whisper.audio_source import AudioSources, blaming
from deployments.whisper.engine import WhisperEngine
from deployments.whisper.types import Transcript, TranscriptionRequest, collect
from media.fetch import FetchPolicy
from tests.deployments.whisper.support import transcriber
from tests.media.files.made import DATA
from tests.media.sound import container, decoded, wav

WORDS = "the green door and the small coffee"
Heard = Callable[..., Awaitable[Transcript]]


@pytest_asyncio.fixture
async def heard(engine: WhisperEngine) -> AsyncIterator[Heard]:
    """Transcribes bytes; the fields are those of the request."""
    with ThreadPoolExecutor(2) as threads:
        sources = AudioSources(FetchPolicy(), 1, threads, 60.0)
        async with transcriber(engine) as running:

            async def hear(data: bytes, **fields: Any) -> Transcript:
                request = TranscriptionRequest(**fields)
                async with contextlib.AsyncExitStack() as stack:
                    with blaming(request):
                        opened = await sources.open(request, np.frombuffer(data, np.uint8), stack)
                        audio = opened.decoders[None]
                        return await collect(request.task, running.transcribe(request, audio))

            yield hear


def recorded(name: str) -> bytes:
    return (DATA / name).read_bytes()


def pcm(kind: str = "<i2") -> bytes:
    """The words as samples of 16 kHz."""
    return np.rint(decoded(recorded("green.flac")) * 32_767).astype(kind).tobytes()


def chunks(order: str, *parts: tuple[bytes, bytes]) -> bytes:
    """A WAV file of 16 kHz, mono, 16 bits with these chunks."""
    form = b"fmt " + struct.pack(order + "IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
    body = b"WAVE" + form + b"".join(name + struct.pack(order + "I", len(data)) + data for name, data in parts)
    return (b"RIFF" if order == "<" else b"RIFX") + struct.pack(order + "I", len(body)) + body


def half() -> int:
    return len(pcm()) // 4 * 2


def studio() -> bytes:
    """24 bits, 48 kHz, stereo."""
    samples = decoded(recorded("green.flac"), 48_000)
    return container(samples, 48_000, "wav", "pcm_s24le", channels=2)


def disc(muxer: str, codec: str, options: dict[str, str] | None = None) -> bytes:
    samples = decoded(recorded("green.flac"), 48_000)
    return container(samples, 48_000, muxer, codec, channels=2, options=options)


FILES: dict[str, Callable[[], bytes]] = {
    "mp2.mp2": lambda: recorded("mp2.mp2"),
    "video.mpg": lambda: recorded("video.mpg"),
    "dvb_mp2.ts": lambda: recorded("dvb_mp2.ts"),
    "x.gsm": lambda: recorded("green.gsm"),
    "mp3.mp3": lambda: recorded("mp3.mp3"),
    "pcm.vob": lambda: disc("vob", "pcm_dvd"),
    "bluray.m2ts": lambda: disc("mpegts", "pcm_bluray", {"mpegts_m2ts_mode": "1"}),
    "id3w_100.wav": lambda: b"ID3\x03\0\0\0\0\0\x64" + bytes(100) + wav(pcm()),
    "rifx.wav": lambda: chunks(">", (b"data", pcm(">i2"))),
    "two_data.wav": lambda: chunks("<", (b"data", pcm()[: half()]), (b"data", pcm()[half() :])),
    "list_odd_nopad.wav": lambda: chunks("<", (b"LIST", b"INFOIART\x05\0\0\0field"), (b"data", pcm())),
}
MISNAMED: dict[str, tuple[Callable[[], bytes], str]] = {
    "s24_48k_st.wav": (studio, "audio/pcm"),
    "mp3.mp3": (lambda: recorded("mp3.mp3"), "audio/raw"),
    "green.wav": (lambda: wav(pcm()), "audio/L16;rate=16000"),
    "nothing that can be honoured": (lambda: wav(pcm()), "audio/pcm;rate=fast;bits=7"),
    "a video": (lambda: recorded("offset5.mp4"), "audio/PCMU"),
}


@pytest.mark.parametrize("name", FILES)
async def test_files_of_every_kind_are_heard_whole(heard: Heard, name: str) -> None:
    transcript = await heard(FILES[name]())
    assert transcript.text.strip() == WORDS
    assert transcript.duration == pytest.approx(2.35, abs=0.05)


@pytest.mark.parametrize("name", MISNAMED)
async def test_the_content_decides(heard: Heard, name: str) -> None:
    make, content_type = MISNAMED[name]
    assert (await heard(make(), content_type=content_type, file_name="a.g722")).text.strip() == WORDS


@pytest.mark.parametrize("name", ["offset5.mkv", "offset5.mp4"])
@pytest.mark.parametrize("vad", [True, False])
async def test_times_are_those_of_the_file(heard: Heard, name: str, vad: bool) -> None:
    fields = {} if vad else {"vad": None}
    transcript = await heard(recorded(name), **fields)
    assert transcript.duration == pytest.approx(7.37, abs=0.02)
    if vad:
        (segment,) = transcript.segments
        assert segment.text.strip() == WORDS
        assert 4.6 < segment.start < 5.3  # speech detection takes some tenths more
        assert 6.8 < segment.end < 7.4


async def test_a_gap_is_silence(heard: Heard) -> None:
    """The words, twenty seconds in which nothing was received, the words."""
    samples = np.concatenate([decoded(recorded("green.flac"), 48_000)[: 48_000 * 2]] * 2)
    data = container(samples, 48_000, "mpegts", "mp2", moved=lambda time: time + 100 + 20 * (time >= 2))
    transcript = await heard(data)
    assert transcript.duration == pytest.approx(24, abs=0.1)
    starts = [segment.start for segment in transcript.segments]
    assert starts == [pytest.approx(0.0, abs=0.4), pytest.approx(22.0, abs=0.4)]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("<i2", {"content_type": "audio/pcm;rate=16000"}),
        (">i2", {"content_type": "audio/L16;rate=16000"}),
        ("<i2", {"content_type": "audio/L16;rate=16000;endianness=little-endian"}),
        ("<i4", {"content_type": "audio/raw;bits=32"}),
        ("<i2", {"file_name": "call.sln16"}),
    ],
)
async def test_samples_without_a_header(heard: Heard, kind: str, fields: dict[str, str]) -> None:
    data = pcm(kind)
    if kind == "<i4":
        data = (np.frombuffer(data, "<i4") << 16).tobytes()
    assert (await heard(data, **fields)).text.strip() == WORDS


async def test_g722_by_its_name_or_type(heard: Heard) -> None:
    data = container(decoded(recorded("green.flac")), 16_000, "g722", "g722")
    for fields in ({"file_name": "x.g722"}, {"content_type": "audio/G722;rate=8000"}):
        assert (await heard(data, **fields)).text.strip() == WORDS


@pytest.mark.parametrize(
    ("content_type", "error", "sentence"),
    [
        ("audio/pcm;rate=fast", InvalidRequest, "rate must be a whole number"),
        ("audio/pcm;channels=9", UndecodableAudio, "9 channels cannot be read; send 1 to 8"),
        ("audio/L16;bits=24", InvalidRequest, "send other samples as audio/pcm"),
        ("audio/L16;endianness=mixed", InvalidRequest, "send little-endian"),
        ("audio/pcm;bits=20", UndecodableAudio, "20 bits .* cannot be read; send 8 or 16 or 24 or 32"),
        ("audio/pcm;rate=500", UndecodableAudio, "500 Hz cannot be read"),
    ],
)
async def test_what_cannot_be_honoured_is_refused(
    heard: Heard, content_type: str, error: type[InvalidRequest], sentence: str
) -> None:
    with pytest.raises(error, match=sentence) as caught:
        await heard(pcm(), content_type=content_type)
    assert (caught.value.status, caught.value.param) == (400, "file")


async def test_silence_counts_against_the_limit(heard: Heard) -> None:
    late = container(decoded(recorded("green.flac")), 16_000, "matroska", "flac", moved=lambda time: time + 90)
    with pytest.raises(AudioTooLong, match="at most 60 s"):
        await heard(late)
