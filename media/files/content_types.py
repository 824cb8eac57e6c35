"""Content types, and endings of names, that stand for samples without a header."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from media.errors import ClientError
from media.files.raw_pcm import G722_RATE, ByteOrder, Encoding, RawPcm

_MU_LAW = RawPcm(8_000, bits=8, encoding="mu-law")
_A_LAW = RawPcm(8_000, bits=8, encoding="a-law")
_G722 = RawPcm(G722_RATE, bits=8, encoding="g722")
TYPES = {
    "audio/pcm": RawPcm(),
    "audio/raw": RawPcm(),
    "audio/l8": RawPcm(bits=8, encoding="unsigned"),  # L8 to L24: RFC 3551, 3190
    "audio/l16": RawPcm(byte_order="big"),
    "audio/l24": RawPcm(byte_order="big", bits=24),
    **dict.fromkeys(("audio/pcmu", "audio/basic", "audio/mulaw", "audio/x-mulaw", "audio/ulaw"), _MU_LAW),
    **dict.fromkeys(("audio/pcma", "audio/alaw", "audio/x-alaw", "audio/x-alaw-basic"), _A_LAW),
    "audio/g722": _G722,
}
ENDINGS = {
    "g722": _G722,
    **dict.fromkeys(("ul", "ulaw", "pcmu"), _MU_LAW),
    **dict.fromkeys(("al", "alaw", "pcma"), _A_LAW),
    "sln": RawPcm(8_000),  # Asterisk's
    "sln16": RawPcm(),
}
"""Of telephony's file names, which nothing else tells what they hold."""

_NAMES = {
    "rate": ("rate", "samplerate", "sample-rate", "sample_rate"),
    "channels": ("channels", "channel"),
    "bits": ("bits", "bit-depth", "bits-per-sample", "bits_per_sample"),
    "endianness": ("endianness", "endian", "byte-order"),
    "encoding": ("encoding",),
}
_NAME = {spelling: name for name, spellings in _NAMES.items() for spelling in spellings}
_WITHOUT_MEANING = ("charset", "ptime", "maxptime")  # to those who have the samples already
_ORDERS: dict[str, ByteOrder] = {
    **{"little-endian": "little", "little": "little", "le": "little"},
    **{"big-endian": "big", "big": "big", "be": "big"},
}
_ENCODINGS: dict[str, Encoding] = {
    **{"signed-integer": "signed", "signed-int": "signed", "signed": "signed"},
    **{"unsigned-integer": "unsigned", "unsigned-int": "unsigned", "unsigned": "unsigned"},
    **{"floating-point": "float", "float": "float"},
    **{"mu-law": "mu-law", "mulaw": "mu-law", "u-law": "mu-law", "ulaw": "mu-law"},
    **{"a-law": "a-law", "alaw": "a-law"},
}
_Value = TypeVar("_Value")


def raw_samples(content_type: str | None, file_name: str | None = None) -> RawPcm | None:
    """How to read a file without a header: as its content type says, else as the ending of its name.

    None if neither says that it has none. Raises :class:`ClientError` for parameters that nobody knows, that
    are no value of theirs, or that contradict each other.
    """
    kind, *parameters = (content_type or "").lower().split(";")
    raw = TYPES.get(kind.strip())
    if raw is None:
        if kind.strip() == "audio/l20":
            raise ClientError("Samples of 20 bits cannot be read; send 16 or 24 bits.")
        return ENDINGS.get((file_name or "").lower().rpartition(".")[2]) if "." in (file_name or "") else None
    return _with_parameters(raw, kind.strip(), dict(_parameters(parameters)))


def _with_parameters(raw: RawPcm, kind: str, values: dict[str, str]) -> RawPcm:
    encoding = raw.encoding
    if "encoding" in values:
        encoding = _choice("encoding", values["encoding"], _ENCODINGS)
    fixed = kind not in ("audio/pcm", "audio/raw")
    bits = {"float": 32, "mu-law": 8, "a-law": 8}.get(encoding, raw.bits)
    if "bits" in values:
        bits = _number("bits", values["bits"])
        if bits == 8 and encoding == "signed" and "encoding" not in values:
            encoding = "unsigned"  # as in WAV files
    if fixed and (bits, encoding) != (raw.bits, raw.encoding):
        raise ClientError(f"{kind} has {raw.bits} bits ({raw.encoding}); send other samples as audio/pcm.")
    rate = _number("rate", values["rate"]) if "rate" in values else raw.sample_rate
    if raw.encoding == "g722" and rate == 8_000:
        rate = G722_RATE  # RFC 3551 names the wrong one, for history's sake
    return replace(
        raw,
        sample_rate=rate,
        channels=_number("channels", values["channels"]) if "channels" in values else raw.channels,
        byte_order=_choice("endianness", values["endianness"], _ORDERS)
        if "endianness" in values
        else raw.byte_order,
        bits=bits,
        encoding=encoding,
    )


def _parameters(parts: list[str]) -> Iterator[tuple[str, str]]:
    given: dict[str, str] = {}
    for part in parts:
        spelling, _, value = part.partition("=")
        spelling, value = spelling.strip(), value.strip().strip('"').strip()
        if not spelling or spelling in _WITHOUT_MEANING:
            continue
        name = _NAME.get(spelling)
        if name is None:
            raise ClientError(
                f"The content type's parameter {spelling[:40]!r} is not known; send {', '.join(_NAMES)}."
            )
        if given.setdefault(name, value) != value:
            raise ClientError(f"The content type has two values of {name}; send one.")
        yield name, value


def _number(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise ClientError(f"The content type's {name} must be a whole number, not {value[:40]!r}.")
    return int(value)


def _choice(name: str, value: str, choices: dict[str, _Value]) -> _Value:
    if value not in choices:
        raise ClientError(
            f"The content type's {name} is {value[:40]!r}, which is not known; send {', '.join(choices)}."
        )
    return choices[value]
