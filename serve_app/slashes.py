"""Slashes too many in a path: what clients make of a base URL that ends in one."""

import re

_RUN = re.compile(r"(?<!:)/{2,}")


def without_surplus(path: str) -> str:
    """The path without empty segments: ``//v1//models/`` is ``/v1/models``. A ``://`` stays: models have URLs for
    names.
    """
    return _RUN.sub("/", path).rstrip("/") or "/"
