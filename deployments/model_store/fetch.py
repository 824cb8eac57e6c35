"""The one function of the model store: a source in, a local folder out."""

from collections.abc import Sequence
from pathlib import Path

from deployments.errors import ModelUnavailable
from deployments.model_store.local import local_folder
from deployments.model_store.progress import DownloadProgress, OnProgress
from deployments.model_store.source import HubSource, LocalSource, S3Source, parse_source


def _ignore(_: DownloadProgress) -> None:
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
