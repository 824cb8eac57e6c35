"""Which containers and codecs are read: allow-lists, by libav's names.

None of them refers to other files or URLs: no playlist, no protocol.
"""

CONTAINERS = frozenset(
    (
        *("aac", "ac3", "aiff", "amr", "ape", "asf", "au", "avi", "caf", "eac3", "flac", "flv", "loas"),
        *("matroska", "mov", "mp3", "mpeg", "mpegts", "ogg", "tta", "w64", "wav", "wv"),
    )
)
"""Demuxers that a file may be opened with."""

CODECS = frozenset(
    (
        *("aac", "aac_latm", "ac3", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_swf", "adpcm_yamaha"),
        *("alac", "amrnb", "amrwb", "ape", "dca", "eac3", "flac", "g722", "g723_1", "g726", "g729", "gsm"),
        *("gsm_ms", "ilbc", "mp1float", "mp2float", "mp3float", "nellymoser", "opus", "pcm_alaw", "pcm_f32be"),
        *("pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_mulaw", "pcm_s16be", "pcm_s16le", "pcm_s24be"),
        *("pcm_s24le", "pcm_s32be", "pcm_s32le", "pcm_s8", "pcm_u8", "speex", "truehd", "tta", "vorbis"),
        *("wavpack", "wmalossless", "wmapro", "wmav1", "wmav2", "wmavoice"),
    )
)
"""Decoders that a track may need."""
