"""The header that names the fields of a request which nobody here knows."""

from collections.abc import Iterable
from itertools import islice
from urllib.parse import quote

MAX_NAMES = 32
LONGEST_NAME = 64


def ignored_header(names: Iterable[str]) -> dict[str, str]:
    """``X-Ignored-Fields`` with the first names, or nothing if there are none."""
    quoted = [quote(name[:LONGEST_NAME], safe="[]()_-.:", errors="replace") for name in islice(names, MAX_NAMES)]
    return {"X-Ignored-Fields": ", ".join(quoted)} if quoted else {}
