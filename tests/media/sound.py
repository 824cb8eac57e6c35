"""Signals, and files of every kind that are made of them."""

import io
import struct
from collections.abc import Callable, Iterable
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from media.decode import AudioDecoder, RawPcm
from media.encode import AudioEncoder, AudioFormat

Signal = NDArray[np.float32]


def tone(seconds: float, rate: int, hertz: float = 440.0) -> Signal:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def sweep(seconds: float, rate: int) -> Signal:
    """200 to 2,000 Hz under a slow tremolo: its correlation with a shifted self falls off quickly."""
    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (200 * t + 900 * t * t / seconds)
    return (0.5 * np.sin(phase) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))).astype(np.float32)


def int16(samples: Signal) -> NDArray[np.int16]:
    return np.rint(samples * 32767).astype("<i2")


def wav(pcm: bytes, rate: int = 16_000, channels: int = 1, bits: int = 16, size: int | None = None) -> bytes:
    """A wav file whose header says what is asked for."""
    size = len(pcm) if size is None else size
    align = channels * bits // 8
    form = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * align & 0xFFFFFFFF, align & 0xFFFF, bits)
    head = b"RIFF" + struct.pack("<I", min(size + 36, 0xFFFFFFFF)) + b"WAVEfmt " + form
    return head + b"data" + struct.pack("<I", size) + pcm


def container(
    samples: Signal,
    rate: int,
    muxer: str,
    codec: str,
    *,
    channels: int = 1,
    bit_rate: int | None = None,
    video: bool = False,
    options: dict[str, str] | None = None,
    pictures_by: str = "mpeg4",
    moved: Callable[[float], float] = float,
) -> bytes:
    """``samples``, the same on all channels, in a container made by libav, beside a track of video if asked.

    ``moved`` says when a packet is heard whose place among the samples is so many seconds.
    """
    target = io.BytesIO()
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    with av.open(target, "w", format=muxer, container_options=options or {}) as out:
        track = out.add_stream(codec, rate=rate, layout=layout)
        if bit_rate:
            track.bit_rate = bit_rate
        pictures = out.add_stream(pictures_by, rate=25) if video else None
        if pictures is not None:
            pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
            for index in range(round(samples.size / rate * 25)):
                noise = np.random.default_rng(index).integers(0, 255, (48, 64, 3), np.uint8)
                picture = av.VideoFrame.from_ndarray(noise, "rgb24")
                picture.pts = index
                out.mux(pictures.encode(picture))
            out.mux(pictures.encode(None))
        for start in range(0, samples.size, rate):
            interleaved = np.repeat(samples[start : start + rate], channels)[None]
            frame = av.AudioFrame.from_ndarray(interleaved, "flt", layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            out.mux(_moved(track.encode(frame), moved))
        out.mux(_moved(track.encode(None), moved))
    return target.getvalue()


def _moved(packets: Iterable[av.Packet], moved: Callable[[float], float]) -> list[av.Packet]:
    packets = list(packets)
    for packet in packets:
        assert packet.pts is not None
        step = float(packet.time_base)
        packet.pts = packet.dts = round(moved(packet.pts * step) / step)
    return packets


def mp3_frames(seconds: float, rate: int, *, channels: int = 1, bit_rate: int = 64_000) -> bytes:
    """Bare mp3 frames, which can be joined to longer files."""
    options = {"write_xing": "0", "id3v2_version": "0"}
    signal = tone(seconds, rate)
    return container(signal, rate, "mp3", "libmp3lame", channels=channels, bit_rate=bit_rate, options=options)


def silent_video() -> bytes:
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as out:
        pictures = out.add_stream("mpeg4", rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        for index in range(10):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), index, np.uint8), "rgb24")
            picture.pts = index
            out.mux(pictures.encode(picture))
        out.mux(pictures.encode(None))
    return target.getvalue()


def decoded(data: bytes | io.BytesIO, rate: int = 16_000, *, raw: RawPcm | None = None) -> Signal:
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    with AudioDecoder(file, sample_rate=rate, raw=raw) as decoder:
        return np.concatenate(list(decoder))


def streamed_file(blocks: Iterable[Signal], audio_format: AudioFormat, rate: int) -> bytes:
    """All bytes of a stream that is given these blocks."""
    with AudioEncoder(audio_format, rate) as encoder:
        return b"".join([*map(encoder.write, blocks), encoder.finish()])


def delay_of(signal: Signal, reference: Signal) -> int:
    """By how many samples ``signal`` lags behind ``reference``."""
    size = 1 << (signal.size + reference.size).bit_length()
    product = np.fft.rfft(signal, size) * np.conj(np.fft.rfft(reference, size))
    lag = int(np.argmax(np.fft.irfft(product, size)))
    return lag if lag < size // 2 else lag - size


def correlation(signal: Signal, reference: Signal) -> float:
    """Of the parts that overlap once the delay is taken out."""
    delay = delay_of(signal, reference)
    signal, reference = signal[max(0, delay) :], reference[max(0, -delay) :]
    size = min(signal.size, reference.size)
    return float(np.corrcoef(signal[:size], reference[:size])[0, 1])
