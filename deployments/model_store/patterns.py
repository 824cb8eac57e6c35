"""Which files of a model's source are wanted."""

import fnmatch
from collections.abc import Sequence


def wanted(name: str, patterns: Sequence[str] | None) -> bool:
    """Whether a file, named by its path below the model's folder, matches one of the patterns."""
    return patterns is None or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
