"""Models in folders of this machine."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from deployments.errors import ModelUnavailable
from deployments.model_store.source import wanted

PROJECT = Path(__file__).resolve().parents[2]


def find_local(path: str) -> Path | None:
    """The folder at ``path``, looked for in the working directory and then in the project."""
    named = Path(path).expanduser()
    return next((place for place in (named.absolute(), PROJECT / named) if place.is_dir()), None)


def local_folder(path: str, patterns: Sequence[str] | None) -> Path:
    """``find_local``, with at least one file that matches. Raises ModelUnavailable."""
    folder = find_local(path)
    if folder is None:
        repository = path.count("/") == 1 and not path.startswith(("/", ".", "~"))
        hint = f" If it is a repository of the Hub, write hf://{path}@<revision>." if repository else ""
        raise ModelUnavailable(f"There is no folder {path!r}.{hint}")
    if not any(wanted(name, patterns) for name in _files(folder)):
        raise ModelUnavailable(
            f"The folder {path!r} holds none of the files of a model: {', '.join(patterns or '*')}."
        )
    return folder


def _files(folder: Path) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        for name in names:
            yield Path(place, name).relative_to(folder).as_posix()
