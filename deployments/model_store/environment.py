"""What the store needs of the machine: a place for files, leave to use the network, room on the disk."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from deployments.errors import ModelUnavailable


def offline() -> bool:
    """Whether ``ANTIPHON_OFFLINE`` or ``HF_HUB_OFFLINE`` forbids the network."""
    values = (os.environ.get(name, "") for name in ("ANTIPHON_OFFLINE", "HF_HUB_OFFLINE"))
    return any(value.strip().lower() in ("1", "true", "yes", "on") for value in values)


def cache_root() -> Path:
    """``ANTIPHON_CACHE``, or ``.cache/antiphon`` in the home folder."""
    return Path(os.environ.get("ANTIPHON_CACHE") or "~/.cache/antiphon").expanduser().absolute()


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold ``folder`` (created if needed) against every other process and thread of this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        yield


def require_space(folder: Path, needed: int, what: str) -> None:
    """Raise ModelUnavailable if the disk of ``folder`` has less than ``needed`` bytes left."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ModelUnavailable(
            f"{what} needs {readable(needed)} of disk, {readable(free)} are free. Make room, or name a "
            "larger disk in ANTIPHON_CACHE or HF_HOME."
        )


def disk_error(error: OSError, what: str) -> ModelUnavailable:
    """The sentence for an error of the file system while ``what`` was being stored."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ModelUnavailable(f"The disk is full; {what} was not stored. Make room and start again.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ModelUnavailable(
            f"{what} could not be stored: the cache folder may not be written. Name another one in "
            "ANTIPHON_CACHE or HF_HOME."
        )
    return ModelUnavailable(f"{what} could not be stored: {error.strerror or error}.")


def broken_off(error: Exception, what: str) -> ModelUnavailable:
    """The sentence for a download that ended before its end."""
    return ModelUnavailable(f"The download of {what} broke off: {error}. Start again to continue.")


def readable(count: int) -> str:
    """A number of bytes for people: 1617884929 is ``1.6 GB``."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
