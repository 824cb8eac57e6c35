"""The chunks of a WAV file, also where libav does not follow them.

libav takes the last of several ``data`` chunks for all the sound, reads the samples of a RIFX file (WAV with its
numbers big-endian) in the wrong order, and loses its way behind a chunk of odd size without its pad byte.
"""

import struct
from dataclasses import dataclass
from typing import Literal

from media.errors import UndecodableAudio
from media.files.parts import BinaryFile, Part, read_up_to
from media.files.raw_pcm import Encoding, RawPcm

_MOST_CHUNKS = 100_000
_NAMES = (b"fmt ", b"data", b"LIST", b"fact", b"bext", b"JUNK", b"junk", b"cue ", b"smpl", b"id3 ", b"ID3 ")
_CHUNK_HEAD = 8
_LONGEST_FORMAT = 1 << 16
_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_ENCODINGS: dict[int, Encoding] = {_PCM: "signed", _FLOAT: "float", _ALAW: "a-law", _MULAW: "mu-law"}


@dataclass(frozen=True, slots=True)
class Wave:
    """Where the sound of a WAV file lies."""

    byte_order: Literal["little", "big"]
    format: bytes
    """What the ``fmt`` chunk holds."""
    data: tuple[Part, ...]
    """What the ``data`` chunks hold; those without a byte are left out."""
    data_chunks: int
    """How many there are, empty ones too."""
    padded: bool
    """Whether a pad byte stands behind every chunk of odd size before the last ``data`` chunk."""

    @property
    def is_plain(self) -> bool:
        """Whether libav reads all of it as it is meant."""
        return self.byte_order == "little" and self.padded and self.data_chunks < 2

    def rebuilt(self) -> list[Part | bytes]:
        """The parts of a plain little-endian file with the same sound."""
        (align,) = struct.unpack_from("<H", self.format, 12)
        whole = [Part(part.start, part.length - part.length % max(align, 1)) for part in self.data]
        form = b"fmt " + struct.pack("<I", len(self.format)) + self.format + bytes(len(self.format) % 2)
        size = min(sum(part.length for part in whole), 0xFFFFFFFF)
        data = b"data" + struct.pack("<I", size)
        total = min(4 + len(form) + len(data) + size, 0xFFFFFFFF)
        return [b"RIFF" + struct.pack("<I", total) + b"WAVE" + form + data, *whole]

    def samples(self) -> RawPcm:
        """What the samples of a big-endian file are. Raises :class:`UndecodableAudio` for rare ones."""
        tag, channels, rate, _, align, bits = struct.unpack_from(">HHIIHH", self.format)
        if tag == _EXTENSIBLE and len(self.format) >= 28:
            first = self.format[24:28]  # of the GUID; written in either order
            tag = min(int.from_bytes(first, "big"), int.from_bytes(first, "little"))
        if tag not in _ENCODINGS or not channels or align != channels * bits // 8:
            raise UndecodableAudio(
                "The file is a RIFX (big-endian WAV) whose samples are neither PCM, floats, A-law nor mu-law; "
                "convert it to WAV or FLAC."
            )
        encoding = "unsigned" if (tag, bits) == (_PCM, 8) else _ENCODINGS[tag]
        return RawPcm(rate, channels, "big", bits, encoding)


def read_wave(file: BinaryFile, start: int) -> Wave | None:
    """The layout of the WAV file that begins at ``start`` of a file that can seek. None if it is none, or lacks
    its ``fmt`` chunk; of a damaged one what can be followed. Raises :class:`UndecodableAudio` for one of more than
    100,000 chunks.
    """
    head = _read(file, start, 12)
    if head[:4] not in (b"RIFF", b"RIFX") or head[8:] != b"WAVE":
        return None
    order: Literal["little", "big"] = "big" if head[:4] == b"RIFX" else "little"
    end = file.seek(0, 2)
    at, after_odd, padded = start + 12, False, True
    form = b""
    data: list[Part] = []
    data_chunks = 0
    for _ in range(_MOST_CHUNKS):
        if at - after_odd + _CHUNK_HEAD > end:
            break
        if after_odd and _chunk(file, at - 1, order)[0] in _NAMES:
            at, padded = at - 1, False
        name, size = _chunk(file, at, order)
        body = at + _CHUNK_HEAD
        if not all(0x20 <= byte < 0x7F for byte in name):
            break
        if name == b"fmt " and not form:
            form = _read(file, body, min(size, _LONGEST_FORMAT))
        elif name == b"data":
            data_chunks += 1
            if min(size, end - body) > 0:
                data.append(Part(body, min(size, end - body)))
        after_odd = size % 2 == 1
        at = body + size + size % 2
    else:
        raise UndecodableAudio(
            f"The WAV file has more than {_MOST_CHUNKS} chunks; send one with all its samples in a row."
        )
    return Wave(order, form, tuple(data), data_chunks, padded) if len(form) >= 16 else None


def _chunk(file: BinaryFile, at: int, order: Literal["little", "big"]) -> tuple[bytes, int]:
    """Name and size of a chunk; no name at the end of the file."""
    head = _read(file, at, _CHUNK_HEAD)
    return head[:4] if len(head) == _CHUNK_HEAD else b"\0", int.from_bytes(head[4:], order)


def _read(file: BinaryFile, at: int, size: int) -> bytes:
    file.seek(at)
    return read_up_to(file, size)
