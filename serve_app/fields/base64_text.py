"""Bytes that clients send as text: base64 in every spelling that is in use, read alike at every entrance."""

import binascii
import re

STEP = 1024**2  # characters after which other threads have their turn
LONGEST_PREFIX = 256
_PREFIX = re.compile(rf"\s*data:([^,]{{0,{LONGEST_PREFIX}}}),", re.IGNORECASE)
_BLANK = b" \t\r\n\v\f\x1c\x1d\x1e\x1f"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def data_prefix(text: str) -> tuple[int, str | None]:
    """Where the base64 begins in a text with or without a ``data:`` prefix, and the content type in the prefix."""
    match = _PREFIX.match(text)
    if match is None:
        return 0, None
    return match.end(), match[1].strip().removesuffix(";base64") or None


def decode_base64(text: str) -> bytes:
    """The bytes that a text holds in base64 of either alphabet, the URL-safe one included.

    Blanks and line ends may be anywhere. The padding may be missing; after whole groups it may be too much. Raises
    ValueError.
    """
    if not text.isascii():
        text = "".join(text.split())
    data = text.encode("ascii").translate(_URL_SAFE, _BLANK)
    bare = data.rstrip(b"=")
    padding, missing = len(data) - len(bare), -len(bare) % 4
    if missing == 3 or (padding and not bare) or (missing and padding not in (0, missing)):
        raise ValueError("the length or the padding is wrong")
    bare += b"=" * missing
    return b"".join(
        binascii.a2b_base64(bare[start : start + STEP], strict_mode=True) for start in range(0, len(bare), STEP)
    )
