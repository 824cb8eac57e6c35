"""What libav is given to read for a file: the file itself, or those of its parts that are its sound."""

from dataclasses import dataclass

from media.errors import UndecodableAudio
from media.files.kinds import CONTAINERS
from media.files.parts import BinaryFile, HeadFirst, Part, PartsFile, read_up_to
from media.files.raw_pcm import RawPcm
from media.files.signatures import HEAD_BYTES, demuxer_of, has_container, has_header
from media.files.wave import read_wave

_ID3_HEAD = 10
_MOST_TAGS = 16


@dataclass(frozen=True, slots=True)
class Source:
    """A file as libav reads it right, and how it is to be opened."""

    file: BinaryFile
    demuxer: str | None
    """None where the content decides, among the allowed ones."""
    options: dict[str, str]
    head: bytes
    """How the file begins, up to 64 KiB."""


def says_what_it_is(file: BinaryFile) -> bool:
    """Whether a file that can seek begins with the header of a known kind, so that nothing else decides."""
    file.seek(0)
    return has_header(read_up_to(file, HEAD_BYTES))


def source_of(file: BinaryFile, raw: RawPcm | None = None) -> Source:
    """Where and how the sound of a file lies that is read from its beginning on.

    ID3 tags are left out where libav does not expect them, and WAV files that it does not read right are put
    together anew. Raises :class:`UndecodableAudio`.
    """
    if raw is not None:
        return Source(file, *raw.demuxer(), b"")
    options = {"format_whitelist": ",".join(sorted(CONTAINERS))}
    if not file.seekable():
        head = read_up_to(file, HEAD_BYTES)
        start = _tags(head)
        rest = head[start:] if has_container(head[start:]) else head
        if rest.startswith(b"RIFX"):
            raise UndecodableAudio("A RIFX (big-endian WAV) cannot be read as it comes; send it as a whole.")
        return Source(HeadFirst(rest, file), demuxer_of(rest), options, rest)
    start = _tags_of(file)
    file.seek(start)
    head = read_up_to(file, HEAD_BYTES)
    if start and not has_container(head):  # MP3 and the like: libav knows their tags
        file.seek(0)
        return Source(file, None, options, head)
    wave = read_wave(file, start)
    if wave is not None and wave.byte_order == "big":
        return Source(PartsFile(file, wave.data), *wave.samples().demuxer(), head)
    size = file.seek(0, 2)
    file.seek(0)
    if wave is not None and not wave.is_plain:
        return Source(PartsFile(file, wave.rebuilt()), "wav", options, head)
    whole = PartsFile(file, [Part(start, size - start)]) if start else file
    return Source(whole, demuxer_of(head), options, head)


def _tags(head: bytes) -> int:
    """How many of these first bytes are ID3v2 tags."""
    at = 0
    for _ in range(_MOST_TAGS):
        at += _tag(head[at : at + _ID3_HEAD])
    return min(at, len(head))


def _tags_of(file: BinaryFile) -> int:
    """The same for a whole file."""
    at = 0
    for _ in range(_MOST_TAGS):
        file.seek(at)
        size = _tag(read_up_to(file, _ID3_HEAD))
        if not size:
            break
        at += size
    return at


def _tag(head: bytes) -> int:
    """Bytes of the tag that begins here, 0 if none does."""
    if len(head) < _ID3_HEAD or head[:3] != b"ID3" or max(head[6:10]) > 127:
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return _ID3_HEAD + size + (_ID3_HEAD if head[5] & 0x10 else 0)
