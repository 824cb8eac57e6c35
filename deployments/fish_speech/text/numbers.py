"""English numbers in words: amounts, money, percentages, ordinals, years, times and days."""

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import inflect

LONGEST = 15  # digits that are said as one number; more are said one by one
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
    *("November", "December"),
)
_MONEY = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny")}
_SCALES = r"(?:[ ]?(?P<scale>thousand|million|billion|trillion)\b)?"
_NUMBER = r"\d{1,3}(?:,\d{3})+(?!\d)|\d+"
_PATTERN = re.compile(
    rf"""
      (?<![\d/-])(?P<year>\d{{4}})-(?P<month>0[1-9]|1[0-2])-(?P<day>0[1-9]|[12]\d|3[01])(?![\d/-])
    | (?<![\d:.])(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?![\d:])
    | (?P<sign>[$€£])[ ]?(?P<units>{_NUMBER})(?:\.(?P<cents>\d\d)(?!\d))?(?P<rest>\.\d+)?{_SCALES}
    | (?P<ordinal>\d{{1,{LONGEST}}})(?:st|nd|rd|th)\b
    | (?<!\d)(?P<decade>[12]\d\d0)s\b
    | (?P<minus>(?<![\w)])[-−])?(?P<whole>{_NUMBER})(?P<points>(?:\.\d+)*)(?P<percent>[ ]?%)?
    """,
    re.VERBOSE | re.ASCII,
)


def spoken_numbers(text: str) -> str:
    """The text with its numbers in English words. Digits of other scripts, and all else, stay as they are."""
    return _PATTERN.sub(_spaced, text)


def _spaced(match: re.Match[str]) -> str:
    """The words of a number, with blanks where letters or digits touch it."""
    text, begin, end = match.string, match.start(), match.end()
    before, after = text[max(0, begin - 1) : begin], text[end : end + 1]
    return f"{' ' if before.isalnum() else ''}{_words(match)}{' ' if after.isalnum() else ''}"


def _words(match: re.Match[str]) -> str:
    part = match.groupdict()
    if part["year"]:
        day = _ordinal(part["day"])
        return f"{_MONTHS[int(part['month']) - 1]} {day}, {_cardinal(part['year'])}"
    if part["hour"]:
        minute = int(part["minute"])
        after = "" if not minute else f" oh {_say(minute)}" if minute < 10 else f" {_say(minute)}"
        return _say(int(part["hour"])) + (after or " o'clock")
    if part["sign"]:
        return _money(part)
    if part["ordinal"]:
        return _ordinal(part["ordinal"])
    if part["decade"]:
        years = _cardinal(part["decade"])
        return f"{years[:-1]}ies" if years.endswith("y") else f"{years}s"
    minus, percent = ("minus " if part["minus"] else ""), (" percent" if part["percent"] else "")
    points = "".join(f" point {_digits(digits)}" for digits in part["points"].split(".")[1:])
    plain = _cardinal(part["whole"], year=not (points or minus or percent))
    return f"{minus}{plain}{points}{percent}"


def _money(part: dict[str, str | None]) -> str:
    one, cent = _MONEY[part["sign"] or ""]
    units = (part["units"] or "").replace(",", "")
    scale = part["scale"] or ""
    said = _cardinal(units, year=False)
    if part["rest"] or scale:
        fraction = (f".{part['cents']}" if part["cents"] else "") + (part["rest"] or "")
        point = f" point {_digits(fraction[1:])}" if fraction else ""
        return f"{said}{point}{f' {scale}' if scale else ''} {one}s"
    said += f" {one}" if int(units) == 1 else f" {one}s"
    cents = int(part["cents"] or 0)
    if not cents:
        return said
    plural = "pence" if cent == "penny" else f"{cent}s"
    return f"{said} and {_say(cents)} {cent if cents == 1 else plural}"


def _cardinal(digits: str, *, year: bool = True) -> str:
    """A number as it is counted; four digits as a year, what begins with 0 or is very long digit by digit."""
    plain = digits.replace(",", "")
    if len(plain) > LONGEST or (len(plain) > 1 and plain[0] == "0"):
        return _digits(plain)
    number = int(plain)
    if year and plain == digits and len(plain) == 4 and (1100 <= number < 2000 or 2010 <= number < 2100):
        century, rest = divmod(number, 100)
        after = "hundred" if not rest else f"oh {_say(rest)}" if rest < 10 else _say(rest)
        return f"{_say(century)} {after}"
    return _say(number)


def _ordinal(digits: str) -> str:
    return _plain(_engine().number_to_words(_engine().ordinal(digits), andword=""))


def _digits(digits: str) -> str:
    return " ".join(_say(int(digit)) for digit in digits)


@lru_cache(4_096)
def _say(number: int) -> str:
    return _plain(_engine().number_to_words(str(number), andword=""))


def _plain(words: object) -> str:
    return " ".join(str(words).replace(",", "").split())


@cache
def _engine() -> "inflect.engine":
    import inflect  # a second or two, for which nobody needs to wait who does not ask for it

    return inflect.engine()
