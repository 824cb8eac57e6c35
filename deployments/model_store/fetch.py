"""The one function of the model store: a source in, a local folder out."""

import fnmatch
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from deployments.errors import ModelUnavailable
from deployments.model_store.progress import OnProgress, Progress
from deployments.model_store.source import HubSource, LocalSource, S3Source, parse_source

PROJECT = Path(__file__).resolve().parents[2]


def _ignore(_: Progress) -> None:
    pass


def fetch_model(source: str, *, patterns: Sequence[str] | None = None, on_progress: OnProgress = _ignore) -> Path:
    """The local folder that holds the model named by ``source``, downloaded if it is not here yet.

    Only files that match one of ``patterns`` (``model.bin``, ``vocabulary.*``) count; None means all. Nothing
    is returned before every one of them is here with the size that its origin states. ``on_progress`` is
    called from the threads that download, at most five times a second; what it raises ends the download.
    Blocks, so call it in a thread; calls for the same source wait for each other, across processes too.

    Raises ModelUnavailable with a sentence: not found, no access, offline, disk full.
    """
    try:
        parsed = parse_source(source)
    except ValueError as error:
        raise ModelUnavailable(f"The model source {source!r} cannot be used: {error}.") from error
    match parsed:
        case LocalSource(path):
            return local_folder(path, patterns)
        case HubSource():
            from deployments.model_store import hub

            return hub.fetch(parsed, patterns, on_progress)
        case S3Source():
            from deployments.model_store import s3

            return s3.fetch(parsed, patterns, on_progress)


def find_local(path: str) -> Path | None:
    """The folder at ``path``, looked for in the working directory and then in the project."""
    wanted = Path(path).expanduser()
    return next((place for place in (wanted.absolute(), PROJECT / wanted) if place.is_dir()), None)


def local_folder(path: str, patterns: Sequence[str] | None) -> Path:
    """``find_local``, with at least one file that matches. Raises ModelUnavailable."""
    folder = find_local(path)
    if folder is None:
        hint = f" If it is a repository of the Hub, write hf://{path}@<revision>." if path.count("/") == 1 else ""
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


def wanted(name: str, patterns: Sequence[str] | None) -> bool:
    """Whether a file, named by its path below the model's folder, matches one of the patterns."""
    return patterns is None or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
