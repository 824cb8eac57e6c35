"""Which ids voices may have, and in which order people want to see them."""

import re
from collections.abc import Sequence

from deployments.errors import InvalidRequest, VoiceNotFound

_NEW_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _-]{0,253}[A-Za-z0-9_-])?")
_LONGEST_NAME = 255  # bytes, what file systems take
_SHOWN = 10
_DIGITS = re.compile(r"([0-9]+)")


def is_id(voice_id: str) -> bool:
    """Whether a voice can have this id at all: one visible name of a folder, or ``speaker/emotion``."""
    parts = voice_id.split("/")
    return len(parts) <= 2 and all(map(is_name, parts))


def is_name(name: str) -> bool:
    """Whether this is a name of a folder that can be shown and typed. Names with a leading dot are our own."""
    return bool(
        name
        and name.isprintable()
        and name == name.strip()
        and name[0] != "."
        and "\\" not in name
        and len(name.encode()) <= _LONGEST_NAME
    )


def check_new_id(voice_id: str) -> None:
    """Raise InvalidRequest for what no new voice may be called; it says what may."""
    if not _NEW_ID.fullmatch(voice_id):
        raise InvalidRequest(
            f"A voice cannot have the id {shown(voice_id)}. Use 1 to 255 letters a to z, digits, spaces, hyphens "
            "and underscores; begin with a letter or a digit, and do not end with a space.",
            param="id",
        )


def not_found(voice_id: str, known: Sequence[str]) -> VoiceNotFound:
    """The error for an id that is none of ``known``; it lists up to ten of them."""
    if not known:
        return VoiceNotFound(f"There is no voice {shown(voice_id)}; no voices are kept here yet.", param="voice")
    few = ", ".join(map(shown, known[:_SHOWN]))
    which = "The voices are" if len(known) <= _SHOWN else f"{_SHOWN} of the {len(known)} voices are"
    return VoiceNotFound(f"There is no voice {shown(voice_id)}. {which}: {few}.", param="voice")


def shown(name: str) -> str:
    """A name in quotes, as a sentence can hold it: odd characters escaped, cut when it is long."""
    return repr(name) if len(name) <= 64 else f"{name[:64]!r} (and so on)"


def natural(name: str) -> tuple[list[tuple[str, int]], str]:
    """A sort key that knows numbers: ``take 9`` comes before ``take 10``, and capitals do not matter."""
    parts = _DIGITS.split(name.casefold())
    numbers = [*parts[1::2], "0"]
    return [(text, int(number)) for text, number in zip(parts[::2], numbers, strict=True)], name
