"""Which containers and codecs are read: allow-lists of libav's names, with the names that people know.

None of them refers to other files or URLs: no playlist, no protocol. G.722 is a codec without a header, so that no
content tells it; see ``media.files.raw_pcm``.
"""

from collections.abc import Mapping

CONTAINERS: Mapping[str, str] = {
    "aac": "AAC (ADTS)",
    "ac3": "AC-3",
    "aiff": "AIFF",
    "amr": "AMR",
    "ape": "Monkey's Audio",
    "asf": "WMA/WMV (ASF)",
    "au": "AU",
    "avi": "AVI",
    "caf": "CAF",
    "dts": "DTS",
    "dtshd": "DTS-HD",
    "eac3": "E-AC-3",
    "flac": "FLAC",
    "flv": "FLV",
    "gsm": "GSM",
    "loas": "AAC (LOAS)",
    "matroska": "MKV/WebM",
    "mlp": "MLP",
    "mov": "MP4/M4A/MOV/3GP",
    "mp3": "MP1/MP2/MP3",
    "mpeg": "MPEG program streams (MPG/VOB)",
    "mpegts": "MPEG transport streams (TS/M2TS)",
    "nut": "NUT",
    "ogg": "Ogg/Opus",
    "truehd": "TrueHD",
    "tta": "TTA",
    "voc": "VOC",
    "w64": "Wave64",
    "wav": "WAV (also RF64 and RIFX)",
    "wv": "WavPack",
}
"""Demuxers that a file may be opened with."""

CODECS: Mapping[str, str] = {
    **dict.fromkeys(("aac", "aac_latm"), "AAC"),
    "ac3": "AC-3",
    **dict.fromkeys(("adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms"), "ADPCM"),
    **dict.fromkeys(("adpcm_sbpro_2", "adpcm_sbpro_3", "adpcm_sbpro_4", "adpcm_swf", "adpcm_yamaha"), "ADPCM"),
    "alac": "ALAC",
    **dict.fromkeys(("amrnb", "amrwb"), "AMR"),
    "ape": "Monkey's Audio",
    "dca": "DTS",
    "eac3": "E-AC-3",
    "flac": "FLAC",
    **dict.fromkeys(("pcm_alaw", "pcm_mulaw"), "G.711 (A-law and mu-law)"),
    "g722": "G.722",
    "g723_1": "G.723.1",
    **dict.fromkeys(("g726", "g726le"), "G.726"),
    "g729": "G.729",
    **dict.fromkeys(("gsm", "gsm_ms"), "GSM"),
    "ilbc": "iLBC",
    **dict.fromkeys(("mp1", "mp1float"), "MP1"),
    **dict.fromkeys(("mp2", "mp2float"), "MP2"),
    **dict.fromkeys(("mp3", "mp3float"), "MP3"),
    "mlp": "MLP",
    "nellymoser": "Nellymoser",
    "opus": "Opus",
    **dict.fromkeys(("pcm_bluray", "pcm_dvd"), "LPCM of Blu-rays and DVDs"),
    **dict.fromkeys(("pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le"), "PCM"),
    **dict.fromkeys(("pcm_s16be", "pcm_s16le", "pcm_s24be", "pcm_s24le", "pcm_s32be", "pcm_s32le"), "PCM"),
    **dict.fromkeys(("pcm_s8", "pcm_u8"), "PCM"),
    "speex": "Speex",
    "truehd": "TrueHD",
    "tta": "TTA",
    "vorbis": "Vorbis",
    "wavpack": "WavPack",
    **dict.fromkeys(("wmalossless", "wmapro", "wmav1", "wmav2", "wmavoice"), "WMA"),
}
"""Decoders that a track may need."""


def names(kinds: Mapping[str, str]) -> str:
    """The names that people know, each once, in alphabetical order."""
    return ", ".join(sorted(set(kinds.values()), key=str.casefold))
