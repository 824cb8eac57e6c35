"""How many values a msgpack message holds, found without building them."""

# First bytes before the length of a value: how many bytes the length has, and how many the value's type.
_SIZED = {
    0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0),
    0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1),
    0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0),
}  # fmt: skip
# First bytes of values of a fixed length: the bytes after them.
_FIXED = {
    0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
    0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip


def count_values(message: bytes | bytearray, most: int) -> int:
    """The number of values, keys and containers, counted up to ``most``. A message that is cut off counts what is
    there.
    """
    at = count = 0
    while at < len(message) and count < most:
        first = message[at]
        at += 1
        count += 1
        if first in _SIZED:
            width, extra = _SIZED[first]
            at += width + extra + int.from_bytes(message[at : at + width], "big")
        elif first in _FIXED:
            at += _FIXED[first]
        elif first in (0xDC, 0xDE):  # lists and maps: their values follow
            at += 2
        elif first in (0xDD, 0xDF):
            at += 4
        elif 0xA0 <= first <= 0xBF:
            at += first & 0x1F
    return count
