"""Whether bytes begin like a file of a known kind."""

from collections.abc import Callable

HEAD_BYTES = 1 << 16
"""How much of a file's beginning is enough to tell."""
_FRAMES = 4
"""So many frames in a row, each where the one before says, are no coincidence."""

_BEGINNINGS = (
    *(b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff\x2e\x91\xcf\x11", b"FORM", b"caff", b".snd", b"fLaC", b"OggS"),
    *(b"\x1a\x45\xdf\xa3", b"#!AMR", b"wvpk", b"TTA1", b"TTA2", b"MAC ", b"FLV\x01", b"Creative Voice File\x1a"),
    *(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"nut/multimedia container\0", b"\0\0\1\xba", b"DTSHDHDR"),
    *(b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80", b"\x1f\xff\xe8\x00", b"\xff\x1f\x00\xe8"),  # DTS
)
_ATOMS = (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"sidx")
_MLP = {b"\xf8\x72\x6f\xba": "truehd", b"\xf8\x72\x6f\xbb": "mlp"}
_AFTER_FOUR = (*_ATOMS, *_MLP)
_NO_SOUND = (b"\x89PNG\r\n\x1a\n", b"%PDF-", b"PK\3\4", b"GIF8", b"#EXTM3U")

_MPEG_KBITS = {  # by version (1, else 2) and layer
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)


def has_header(head: bytes) -> bool:
    """Whether these first bytes of a file (up to ``HEAD_BYTES``) say what it is, even if it is no sound."""
    if head.startswith((b"ID3", *_NO_SOUND)) or has_container(head):
        return True
    return any(_in_a_row(head, length) for length in (_mpeg_audio, _adts, _ac3, _loas))


def has_container(head: bytes) -> bool:
    """Whether they are the beginning of a file whose kind a few letters of it tell."""
    if head.startswith(_BEGINNINGS) or head[4:].startswith(_AFTER_FOUR):
        return True
    return any(_transport_stream(head, start, step) for start, step in ((0, 188), (4, 192), (0, 204)))


def demuxer_of(head: bytes) -> str | None:
    """The demuxer of a file that libav does not recognise by its content, None for all others."""
    return _MLP.get(head[4:8])


def _transport_stream(head: bytes, start: int, step: int) -> bool:
    packets = head[start : start + 8 * step]
    syncs = packets[::step]
    return len(syncs) >= _FRAMES and set(syncs) == {0x47} and len(set(packets)) > 4  # no constant, nor two in turn


def _in_a_row(head: bytes, length: Callable[[bytes], int]) -> bool:
    """Whether frames follow each other, ``_FRAMES`` of them or two until the end; ``length`` is 0 for no frame."""
    at = count = 0
    while count < _FRAMES and at < len(head):
        size = length(head[at : at + 8])
        if not size:
            return False
        at, count = at + size, count + 1
    return count >= _FRAMES or (count >= 2 and at == len(head))


def _mpeg_audio(head: bytes) -> int:
    """Bytes of a frame of MPEG-1, 2 or 2.5 audio, layer I, II or III."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    kbits, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 4 or kbits in (0, 15) or rate == 3:
        return 0
    bits = 1000 * _MPEG_KBITS[1 if version == 3 else 2, layer][kbits - 1]
    hertz = (44_100, 48_000, 32_000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    if layer == 1:
        return (12 * bits // hertz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // hertz + padding


def _adts(head: bytes) -> int:
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return 0
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size > 7 else 0


def _ac3(head: bytes) -> int:
    """Of AC-3 or E-AC-3."""
    if len(head) < 6 or head[:2] != b"\x0b\x77":
        return 0
    if head[5] >> 3 > 10:
        return 2 * ((head[2] & 7) << 8 | head[3]) + 2
    rate, code = head[4] >> 6, head[4] & 63
    if rate == 3 or code > 37:
        return 0
    kbits = _AC3_KBITS[code >> 1]
    return (4 * kbits, 2 * (kbits * 96_000 // 44_100 + code % 2), 6 * kbits)[rate]


def _loas(head: bytes) -> int:
    if len(head) < 3 or head[0] != 0x56 or head[1] & 0xE0 != 0xE0:
        return 0
    return 3 + ((head[1] & 0x1F) << 8 | head[2])
