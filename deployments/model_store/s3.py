"""Models below a prefix of an S3 bucket.

Each state of the prefix has its own folder in the cache, named after a hash of every key, etag and size.
Files are collected beside it and the folder is renamed when all are there, so a download that was killed is
never taken for whole, and the next one continues with the files that are missing.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import RetriesExceededError, S3TransferFailedError
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
)

from deployments.errors import ModelUnavailable
from deployments.model_store.environment import (
    alone,
    broken_off,
    cache_root,
    disk_error,
    offline,
    readable,
    require_space,
)
from deployments.model_store.progress import Meter, OnProgress
from deployments.model_store.source import S3Source, wanted

logger = logging.getLogger(__name__)

_CONFIG = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "max_attempts": 5})
_NO_ACCESS = ("403", "AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch")


@dataclass(frozen=True, slots=True)
class _Object:
    """An object of the bucket; ``name`` is its path below the prefix, ``size`` in bytes."""

    key: str
    name: str
    etag: str
    size: int


def fetch(source: S3Source, patterns: Sequence[str] | None, on_progress: OnProgress) -> Path:
    """The cached folder with the newest state of a prefix; the last whole one if S3 is out of reach.

    Raises ModelUnavailable.
    """
    label = f"s3://{source.bucket}/{source.prefix}"
    about = json.dumps([source.prefix, None if patterns is None else sorted(patterns)])
    home = cache_root() / "s3" / source.bucket / _digest(about)
    try:
        client = boto3.session.Session().client("s3", config=_CONFIG)
        objects = None if offline() else _listing(client, source, patterns, label)
        if objects is None:
            return _last(home, label)
        with alone(home):
            return _whole(client, source.bucket, objects, home, label, on_progress)
    except ClientError as error:
        raise _translated(error, label) from error
    except NoCredentialsError as error:
        raise ModelUnavailable(
            f"There are no credentials for {label}. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from error
    except (BotoCoreError, S3TransferFailedError, RetriesExceededError) as error:
        raise broken_off(error, label) from error
    except OSError as error:
        raise disk_error(error, label) from error


def _listing(client: Any, source: S3Source, patterns: Sequence[str] | None, label: str) -> list[_Object] | None:
    """Every wanted object below the prefix, None if S3 is out of reach.

    Raises ModelUnavailable for no object, or for one whose name leads out of the folder.
    """
    below = f"{source.prefix}/" if source.prefix else ""
    try:
        objects = [o for o in _entries(client, source.bucket, below, label) if wanted(o.name, patterns)]
    except (ConnectionError, HTTPClientError):
        logger.warning("S3 cannot be reached for %s", label, exc_info=True)
        return None
    if not objects:
        raise ModelUnavailable(f"There are no files of a model below {label}.")
    return objects


def _entries(client: Any, bucket: str, below: str, label: str) -> Iterator[_Object]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=below):
        for item in page.get("Contents", ()):
            name = str(item["Key"]).removeprefix(below)
            if name.endswith("/") or not name:  # what consoles create to show an empty folder
                continue
            if any(part in ("", ".", "..") for part in name.split("/")) or "\\" in name or "\0" in name:
                raise ModelUnavailable(
                    f"{label} holds an object whose name leaves the folder: {name!r}. Remove it."
                )
            yield _Object(str(item["Key"]), name, str(item["ETag"]), int(item["Size"]))


def _whole(
    client: Any, bucket: str, objects: list[_Object], home: Path, label: str, on_progress: OnProgress
) -> Path:
    state = json.dumps(sorted((o.key, o.etag, o.size) for o in objects))
    folder = home / _digest(state)
    if all(_is_here(folder, entry) for entry in objects):
        os.utime(folder)
        return folder
    if folder.exists():
        logger.warning("files of %s were changed or lost in the cache, it is downloaded again", label)
        shutil.rmtree(folder)
    partial = folder.with_suffix(".partial")
    partial.mkdir(exist_ok=True)
    missing = [entry for entry in objects if not _is_here(partial, entry)]
    total = sum(entry.size for entry in objects)
    needed = sum(entry.size for entry in missing)
    require_space(partial, needed, label)
    logger.info("downloading %s, %s", label, readable(needed))
    meter = Meter(on_progress, total)
    meter.add(total - needed)
    for entry in missing:
        path = partial / entry.name
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, entry.key, str(path), Callback=meter.add)
        if not _is_here(partial, entry):
            path.unlink(missing_ok=True)
            raise ModelUnavailable(f"{entry.name} of {label} changed while it was downloaded. Start again.")
    _remove_strangers(partial, {entry.name for entry in objects})
    partial.rename(folder)
    meter.finish()
    return folder


def _is_here(folder: Path, entry: _Object) -> bool:
    path = folder / entry.name
    return path.is_file() and path.stat().st_size == entry.size


def _remove_strangers(folder: Path, names: set[str]) -> None:
    """Remove what a killed download left: the client writes each file under a random name first."""
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in names:
            path.unlink(missing_ok=True)


def _last(home: Path, label: str) -> Path:
    """The folder that was used last."""
    whole = [path for path in home.glob("*") if path.is_dir() and path.suffix != ".partial"]
    if not whole:
        why = "ANTIPHON_OFFLINE or HF_HUB_OFFLINE forbids to download it" if offline() else "S3 cannot be reached"
        raise ModelUnavailable(f"{label} is not in the cache, and {why}.")
    return max(whole, key=lambda path: path.stat().st_mtime)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _translated(error: ClientError, label: str) -> ModelUnavailable:
    code = error.response.get("Error", {}).get("Code", "")
    if code in ("NoSuchBucket", "NoSuchKey", "404"):
        return ModelUnavailable(f"{label} does not exist.")
    if code in _NO_ACCESS:
        return ModelUnavailable(
            f"The credentials in AWS_ACCESS_KEY_ID may not read {label} ({code}). They need s3:ListBucket "
            "and s3:GetObject."
        )
    return ModelUnavailable(f"S3 refused to deliver {label}: {code or error}.")
