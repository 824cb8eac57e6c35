"""Content types and names of samples without a header."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.errors import ClientError
from media.files.content_types import raw_samples
from media.files.raw_pcm import RawPcm


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (None, None),
        ("", None),
        ("audio/wav", None),
        ("audio/mpeg;rate=x", None),
        ("audio/pcm", RawPcm()),
        ("Audio/PCM; Rate=8000; channels=2", RawPcm(8_000, 2)),
        ("audio/raw;samplerate=44100;charset=utf-8", RawPcm(44_100)),
        ("audio/L16;rate=44100", RawPcm(44_100, 1, "big")),
        ("audio/l16; rate=16000; endianness=little-endian", RawPcm()),
        ('audio/L16;rate="8000";ptime=20', RawPcm(8_000, 1, "big")),
        ("audio/L24;rate=48000;channels=2", RawPcm(48_000, 2, "big", 24)),
        ("audio/L8", RawPcm(bits=8, encoding="unsigned")),
        ("audio/pcm;bits=24;endianness=big-endian", RawPcm(16_000, 1, "big", 24)),
        ("audio/pcm;bits=8", RawPcm(bits=8, encoding="unsigned")),
        ("audio/raw;encoding=signed-integer;bits=8;endian=big", RawPcm(16_000, 1, "big", 8)),
        ("audio/raw;encoding=floating-point;bits=32;rate=24000", RawPcm(24_000, bits=32, encoding="float")),
        ("audio/raw;encoding=float", RawPcm(bits=32, encoding="float")),
        ("audio/raw;encoding=mulaw;rate=8000", RawPcm(8_000, bits=8, encoding="mu-law")),
        ("audio/PCMU", RawPcm(8_000, bits=8, encoding="mu-law")),
        ("audio/basic;rate=16000", RawPcm(16_000, bits=8, encoding="mu-law")),
        ("audio/PCMA;rate=8000;channels=2", RawPcm(8_000, 2, bits=8, encoding="a-law")),
        ("audio/G722;rate=8000", RawPcm(16_000, bits=8, encoding="g722")),
    ],
)
def test_content_types(content_type: str | None, expected: RawPcm | None) -> None:
    assert raw_samples(content_type) == expected


@pytest.mark.parametrize(
    ("content_type", "sentence"),
    [
        ("audio/pcm;rate=fast", "rate must be a whole number"),
        ("audio/pcm;rate=", "rate must be a whole number"),
        ("audio/pcm;rate=-1", "rate must be a whole number"),
        ("audio/pcm;channels=1.5", "channels must be a whole number"),
        ("audio/pcm;bits=16bit", "bits must be a whole number"),
        ("audio/pcm;endianness=middle", "endianness is 'middle'.*send little-endian"),
        ("audio/pcm;encoding=opus", "encoding is 'opus'.*send signed-integer"),
        ("audio/pcm;emphasis=50-15", "'emphasis' is not known; send rate, channels, bits"),
        ("audio/pcm;rate=8000;rate=16000", "two values of rate"),
        ("audio/pcm;rate=8000;samplerate=16000", "two values of rate"),
        ("audio/L16;bits=24", "has 16 bits"),
        ("audio/L24;encoding=float", "has 24 bits"),
        ("audio/PCMU;bits=16", "has 8 bits"),
        ("audio/L20;rate=48000", "20 bits cannot be read; send 16 or 24"),
    ],
)
def test_what_is_not_understood_is_refused(content_type: str, sentence: str) -> None:
    with pytest.raises(ClientError, match=sentence):
        raw_samples(content_type)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("call.g722", RawPcm(16_000, bits=8, encoding="g722")),
        ("CALL.ULAW", RawPcm(8_000, bits=8, encoding="mu-law")),
        ("a.b.alaw", RawPcm(8_000, bits=8, encoding="a-law")),
        ("call.sln", RawPcm(8_000)),
        ("call.wav", None),
        ("g722", None),
        ("call.", None),
        (None, None),
    ],
)
def test_names_of_telephony(name: str | None, expected: RawPcm | None) -> None:
    assert raw_samples("application/octet-stream", name) == expected
    assert raw_samples("audio/pcm", name) == RawPcm()


@given(st.text(max_size=60), st.text(max_size=30))
def test_any_text(parameters: str, name: str) -> None:
    with suppress(ClientError):
        assert raw_samples("audio/pcm;" + parameters, name) is not None
