"""Inputs and outputs as the text of a column, or beside the database if they are too big for one.

A cell is JSON in ASCII, so that no database minds what text clients send; or ``@SIZE:NAME``: its bytes, and the
name under which they are kept.
"""

import asyncio
import json
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import boto3
from botocore.exceptions import ClientError as S3Error

from deployments.errors import InvalidRequest
from serve_app.concurrency import run_off_loop

S3 = "s3://"
ELSEWHERE = "@"
LONG_TEXT, MANY_PARTS = 1 << 16, 1_000
DELETED_AT_ONCE, DELETED_TOGETHER = 1_000, 8  # objects of a request, owners at a time


class PayloadStorage(Protocol):
    """Bytes under names ``OWNER/ANYTHING``. All methods block."""

    def write(self, name: str, data: bytes) -> None:
        """Keep the bytes."""

    def read(self, name: str) -> bytes:
        """What was kept. Raises KeyError."""

    def delete(self, owner: str) -> None:
        """Forget everything of an owner."""


class FolderStorage:
    """Files in a folder; several nodes can share it if it is on a network disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, data: bytes) -> None:
        """See PayloadStorage. The file is there whole or not at all."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # as durable as the row that names it
        partial.replace(path)

    def read(self, name: str) -> bytes:
        """See PayloadStorage."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError as error:
            raise KeyError(name) from error

    def delete(self, owner: str) -> None:
        """See PayloadStorage."""
        shutil.rmtree(self._folder / owner, ignore_errors=True)


class S3Storage:
    """Objects of a bucket. Credentials come from AWS's own variables."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket, self._prefix = bucket, PurePosixPath(prefix)
        self._s3 = boto3.client("s3")

    def write(self, name: str, data: bytes) -> None:
        """See PayloadStorage."""
        self._s3.put_object(Bucket=self._bucket, Key=self._key(name), Body=data)

    def read(self, name: str) -> bytes:
        """See PayloadStorage."""
        try:
            return bytes(self._s3.get_object(Bucket=self._bucket, Key=self._key(name))["Body"].read())
        except S3Error as error:
            if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                raise KeyError(name) from error
            raise

    def delete(self, owner: str) -> None:
        """See PayloadStorage."""
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self._key(owner)}/"):
            keys = [{"Key": item["Key"]} for item in page.get("Contents", ())]
            if keys:
                self._s3.delete_objects(Bucket=self._bucket, Delete={"Objects": keys[:DELETED_AT_ONCE]})  # type: ignore[typeddict-item]

    def _key(self, name: str) -> str:
        return str(self._prefix / name).lstrip("./")


def open_storage(place: str) -> PayloadStorage:
    """The storage at ``s3://BUCKET/PREFIX`` or in a folder."""
    if not place.startswith(S3):
        return FolderStorage(Path(place))
    bucket, _, prefix = place.removeprefix(S3).partition("/")
    return S3Storage(bucket, prefix)


class Payloads:
    """Values to cells and back. What takes more than ``inline_bytes`` of JSON goes to the storage."""

    def __init__(self, storage: PayloadStorage, inline_bytes: int) -> None:
        self._storage, self._inline_bytes = storage, inline_bytes

    async def cell(self, owner: str, value: Any) -> str:
        """The cell of a JSON-safe value. Raises InvalidRequest if it is nested too deeply, ValueError or TypeError
        for what is no JSON.
        """
        try:
            text = await run_off_loop(lambda: to_json(value), large=_looks_big(value))
        except RecursionError as error:
            raise InvalidRequest("The JSON is nested too deeply.") from error
        if len(text) <= self._inline_bytes:
            return text
        name = f"{owner}/{uuid.uuid4().hex}.json"
        await asyncio.to_thread(lambda: self._storage.write(name, text.encode()))
        return f"{ELSEWHERE}{len(text)}:{name}"

    async def text(self, cell: str) -> str:
        """The JSON of a cell. Raises KeyError if it is gone."""
        if not cell.startswith(ELSEWHERE):
            return cell
        name = cell.partition(":")[2]
        return (await asyncio.to_thread(self._storage.read, name)).decode()

    async def value(self, cell: str) -> Any:
        """The value of a cell. Raises KeyError if it is gone."""
        text = await self.text(cell)
        return json.loads(text) if len(text) < LONG_TEXT else await asyncio.to_thread(json.loads, text)

    async def delete(self, owners: Iterable[str]) -> None:
        """Forget everything that was kept of these."""
        room = asyncio.Semaphore(DELETED_TOGETHER)

        async def delete(owner: str) -> None:
            async with room:
                await asyncio.to_thread(self._storage.delete, owner)

        await asyncio.gather(*map(delete, owners))


def size_of(cell: str) -> int:
    """Bytes of the JSON that a cell stands for."""
    return int(cell[1 : cell.index(":")]) if cell.startswith(ELSEWHERE) else len(cell)


def to_json(value: Any) -> str:
    """JSON in ASCII, as short as it gets."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _looks_big(value: Any) -> bool:
    """Whether a value may take long to encode: it has a long text, or many parts."""
    left, parts = [value], 0
    while left:
        item = left.pop()
        parts += 1
        if isinstance(item, str) and len(item) > LONG_TEXT:
            return True
        if isinstance(item, dict | list):
            if parts + len(left) + len(item) > MANY_PARTS:
                return True
            left.extend(item.values() if isinstance(item, dict) else item)
    return False
