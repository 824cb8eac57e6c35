"""Files of every kind that libav can make, and some that it cannot: for these ``data`` holds one each.

``green.*``, ``mp2.mp2``, ``mp3.mp3``, ``dvb_mp2.ts``, ``video.mpg`` and ``offset5.*`` are the same words, "the
door and the small coffee", in ``offset5.*`` five seconds after the start of a video. ``tone.*`` are 440 Hz.
"""

import functools
from pathlib import Path
from typing import NamedTuple

from tests.media.sound import container, sweep

DATA = Path(__file__).parent / "data"
SECONDS = 0.5


class Kind(NamedTuple):
    """How a file is made, and what it is to be read as."""

    muxer: str
    encoder: str
    rate: int
    demuxer: str
    decoder: str
    channels: int = 1
    options: tuple[tuple[str, str], ...] = ()


MKV, MOV = "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2"
M2TS = (("mpegts_m2ts_mode", "1"),)

# name: muxer, encoder, Hz, libav's demuxer, libav's decoder (for MP3 it takes the decoder that reads MP2 as well)
ENCODED = {
    "aac": Kind("adts", "aac", 44_100, "aac", "aac"),
    "loas": Kind("latm", "aac", 44_100, "loas", "aac_latm"),
    "ac3": Kind("ac3", "ac3", 48_000, "ac3", "ac3"),
    "eac3": Kind("eac3", "eac3", 48_000, "eac3", "eac3"),
    "aiff": Kind("aiff", "pcm_s16be", 44_100, "aiff", "pcm_s16be"),
    "aiff 24 bit": Kind("aiff", "pcm_s24be", 44_100, "aiff", "pcm_s24be"),
    "aiff float": Kind("aiff", "pcm_f32be", 44_100, "aiff", "pcm_f32be"),
    "aiff double": Kind("aiff", "pcm_f64be", 44_100, "aiff", "pcm_f64be"),
    "amr": Kind("amr", "libopencore_amrnb", 8_000, "amr", "amrnb"),
    "wma": Kind("asf", "wmav2", 44_100, "asf", "wmav2"),
    "wma 1": Kind("asf", "wmav1", 44_100, "asf", "wmav1"),
    "au": Kind("au", "pcm_s16be", 16_000, "au", "pcm_s16be"),
    "au mu-law": Kind("au", "pcm_mulaw", 8_000, "au", "pcm_mulaw"),
    "au g726": Kind("au", "g726le", 8_000, "au", "g726le"),
    "avi mp2": Kind("avi", "mp2", 44_100, "avi", "mp2"),
    "avi mp3": Kind("avi", "libmp3lame", 44_100, "avi", "mp3float"),
    "avi ac3": Kind("avi", "ac3", 48_000, "avi", "ac3"),
    "avi pcm": Kind("avi", "pcm_s16le", 44_100, "avi", "pcm_s16le"),
    "caf": Kind("caf", "pcm_s16le", 44_100, "caf", "pcm_s16le"),
    "caf alac": Kind("caf", "alac", 44_100, "caf", "alac"),
    "caf ima": Kind("caf", "adpcm_ima_qt", 44_100, "caf", "adpcm_ima_qt"),
    "flac": Kind("flac", "flac", 48_000, "flac", "flac"),
    "flv": Kind("flv", "aac", 44_100, "flv", "aac"),
    "flv mp3": Kind("flv", "libmp3lame", 44_100, "flv", "mp3float"),
    "flv adpcm": Kind("flv", "adpcm_swf", 22_050, "flv", "adpcm_swf"),
    "flv nellymoser": Kind("flv", "nellymoser", 22_050, "flv", "nellymoser"),
    "mkv aac": Kind("matroska", "aac", 44_100, MKV, "aac"),
    "mkv ac3": Kind("matroska", "ac3", 48_000, MKV, "ac3"),
    "mkv flac": Kind("matroska", "flac", 48_000, MKV, "flac"),
    "mkv mp2": Kind("matroska", "mp2", 48_000, MKV, "mp2"),
    "mkv mp3": Kind("matroska", "libmp3lame", 48_000, MKV, "mp3float"),
    "mkv pcm": Kind("matroska", "pcm_s24le", 48_000, MKV, "pcm_s24le"),
    "mkv tta": Kind("matroska", "tta", 44_100, MKV, "tta"),
    "mkv wavpack": Kind("matroska", "wavpack", 44_100, MKV, "wavpack"),
    "webm": Kind("webm", "libopus", 48_000, MKV, "opus"),
    "m4a": Kind("ipod", "aac", 44_100, MOV, "aac"),
    "m4a alac": Kind("ipod", "alac", 44_100, MOV, "alac"),
    "3gp": Kind("3gp", "libopencore_amrnb", 8_000, MOV, "amrnb"),
    "mp4 mp2": Kind("mp4", "mp2", 48_000, MOV, "mp3float"),
    "mp4 mp3": Kind("mp4", "libmp3lame", 44_100, MOV, "mp3float"),
    "mp4 ac3": Kind("mp4", "ac3", 48_000, MOV, "ac3"),
    "mp4 opus": Kind("mp4", "libopus", 48_000, MOV, "opus"),
    "mov pcm": Kind("mov", "pcm_s16be", 44_100, MOV, "pcm_s16be"),
    "mov 8 bit": Kind("mov", "pcm_s8", 44_100, MOV, "pcm_s8"),
    "mov 32 bit": Kind("mov", "pcm_s32be", 44_100, MOV, "pcm_s32be"),
    "mp2": Kind("mp2", "mp2", 48_000, "mp3", "mp2"),
    "mp3": Kind("mp3", "libmp3lame", 44_100, "mp3", "mp3float"),
    "mpeg mp2": Kind("mpeg", "mp2", 48_000, "mpeg", "mp2"),
    "vob ac3": Kind("vob", "ac3", 48_000, "mpeg", "ac3"),
    "vob lpcm": Kind("vob", "pcm_dvd", 48_000, "mpeg", "pcm_dvd", 2),
    "ts aac": Kind("mpegts", "aac", 44_100, "mpegts", "aac"),
    "ts ac3": Kind("mpegts", "ac3", 48_000, "mpegts", "ac3"),
    "ts eac3": Kind("mpegts", "eac3", 48_000, "mpegts", "eac3"),
    "ts mp2": Kind("mpegts", "mp2", 48_000, "mpegts", "mp3float"),
    "ts mp3": Kind("mpegts", "libmp3lame", 44_100, "mpegts", "mp3float"),
    "ts opus": Kind("mpegts", "libopus", 48_000, "mpegts", "opus"),
    "m2ts lpcm": Kind("mpegts", "pcm_bluray", 48_000, "mpegts", "pcm_bluray", 2, M2TS),
    "nut": Kind("nut", "flac", 44_100, "nut", "flac"),
    "nut mp2": Kind("nut", "mp2", 44_100, "nut", "mp2"),
    "ogg opus": Kind("ogg", "libopus", 48_000, "ogg", "opus"),
    "ogg flac": Kind("ogg", "flac", 16_000, "ogg", "flac"),
    "tta": Kind("tta", "tta", 44_100, "tta", "tta"),
    "voc": Kind("voc", "pcm_s16le", 22_050, "voc", "pcm_s16le"),
    "voc 8 bit": Kind("voc", "pcm_u8", 20_000, "voc", "pcm_u8"),
    "voc a-law": Kind("voc", "pcm_alaw", 8_000, "voc", "pcm_alaw"),
    "w64": Kind("w64", "pcm_s16le", 44_100, "w64", "pcm_s16le"),
    "wav": Kind("wav", "pcm_s16le", 22_050, "wav", "pcm_s16le"),
    "wav 8 bit": Kind("wav", "pcm_u8", 22_050, "wav", "pcm_u8"),
    "wav 32 bit": Kind("wav", "pcm_s32le", 44_100, "wav", "pcm_s32le"),
    "wav float": Kind("wav", "pcm_f32le", 44_100, "wav", "pcm_f32le", 2),
    "wav double": Kind("wav", "pcm_f64le", 44_100, "wav", "pcm_f64le"),
    "wav a-law": Kind("wav", "pcm_alaw", 8_000, "wav", "pcm_alaw"),
    "wav mu-law": Kind("wav", "pcm_mulaw", 8_000, "wav", "pcm_mulaw"),
    "wav ms adpcm": Kind("wav", "adpcm_ms", 22_050, "wav", "adpcm_ms"),
    "wav ima adpcm": Kind("wav", "adpcm_ima_wav", 22_050, "wav", "adpcm_ima_wav"),
    "wav yamaha": Kind("wav", "adpcm_yamaha", 22_050, "wav", "adpcm_yamaha"),
    "wav g722": Kind("wav", "g722", 16_000, "wav", "g722"),
    "wav g723": Kind("wav", "g723_1", 8_000, "wav", "g723_1"),
    "wav g726": Kind("wav", "g726", 8_000, "wav", "g726"),
    "wav mp2": Kind("wav", "mp2", 44_100, "wav", "mp2"),
    "wav mp3": Kind("wav", "libmp3lame", 44_100, "wav", "mp3float"),
    "rf64": Kind("wav", "pcm_s16le", 22_050, "wav", "pcm_s16le", 1, (("rf64", "always"),)),
    "wavpack": Kind("wv", "wavpack", 44_100, "wv", "wavpack"),
}

# name of a file in ``data``: libav's demuxer, libav's decoder
RECORDED = {
    "dvb_mp2.ts": ("mpegts", "mp2"),
    "green.gsm": ("gsm", "gsm"),
    "mp2.mp2": ("mp3", "mp2"),
    "mp3.mp3": ("mp3", "mp3float"),
    "tone.dts": ("dts", "dca"),
    "tone.mlp": ("mlp", "mlp"),
    "tone.thd": ("truehd", "truehd"),
    "video.mpg": ("mpeg", "mp2"),
}


@functools.cache
def encoded(name: str) -> bytes:
    """Half a second of a sweep, as one of the kinds that libav can make."""
    kind = ENCODED[name]
    samples = sweep(SECONDS, kind.rate)
    bit_rate = {"g723_1": 6_300, "g726": 32_000, "g726le": 32_000, "wmav1": 64_000, "wmav2": 64_000}.get(
        kind.encoder
    )
    return container(
        samples,
        kind.rate,
        kind.muxer,
        kind.encoder,
        channels=kind.channels,
        bit_rate=bit_rate,
        options=dict(kind.options),
    )
