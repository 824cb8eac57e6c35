"""Objects below a prefix of a bucket: what the library does with them, and sentences for what goes wrong."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
)

from deployments.errors import ModelUnavailable

logger = logging.getLogger(__name__)

CONNECTIONS = 16
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "max_attempts": 3},
    max_pool_connections=CONNECTIONS,
    request_checksum_calculation="when_required",  # not every server that speaks S3 knows the newer ones
    response_checksum_validation="when_required",
)
_READS = 3
_NO_ACCESS = ("403", "AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch")
_CHANGED = ("404", "NoSuchKey", "412", "PreconditionFailed", "ConditionalRequestConflict")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class S3Object:
    """An object as it was listed: its key below the prefix, its size in bytes, when it was written (Unix time)."""

    path: str
    size: int
    modified: float
    etag: str


class S3Objects:
    """Objects below ``prefix``. Credentials, region and endpoint come from boto3's usual environment.

    Blocking, safe between threads. Each request has a bounded time and number of tries. All methods raise
    ModelUnavailable if the bucket cannot be reached or the credentials do not suffice.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket, self._below = bucket, f"{prefix}/" if prefix else ""
        self._label = f"s3://{bucket}/{prefix}"
        self._client: Any = boto3.session.Session().client("s3", config=_CONFIG)

    def list(self, below: str = "") -> Iterator[S3Object]:
        """All objects whose path begins with ``below``."""
        with self._translated():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._below + below):
                for item in page.get("Contents", ()):
                    path = str(item["Key"]).removeprefix(self._below)
                    yield S3Object(path, int(item["Size"]), item["LastModified"].timestamp(), str(item["ETag"]))

    def get(self, path: str, etag: str | None = None) -> bytes | None:
        """An object's content, None if it is gone or no longer the one with this etag."""
        condition = {} if etag is None else {"IfMatch": etag}

        def read(tries: int = _READS) -> bytes:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._below + path, **condition)
            try:
                return bytes(answer["Body"].read())
            except (HTTPClientError, IncompleteReadError):  # boto3 itself tries again only before the body
                if tries == 1:
                    raise
                return read(tries - 1)

        return self._unless_changed(read)

    def put(self, path: str, content: bytes) -> None:
        """Write an object, or replace it."""
        with self._translated():
            self._client.put_object(Bucket=self._bucket, Key=self._below + path, Body=content)

    def put_if(self, path: str, content: bytes, etag: str | None) -> bool:
        """Write an object if it is still the one with this etag, for None if there is none; else return False."""
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}

        def write() -> bool:
            self._client.put_object(Bucket=self._bucket, Key=self._below + path, Body=content, **condition)
            return True

        if self._unless_changed(write):
            return True
        return self.get(path) == content  # it was ours, if only the answer to the first try was lost

    def copy(self, source: S3Object, path: str) -> bool:
        """Copy an object inside the bucket; False if it is no longer what was listed."""
        origin = {"Bucket": self._bucket, "Key": self._below + source.path}

        def copy() -> bool:
            self._client.copy_object(
                Bucket=self._bucket, Key=self._below + path, CopySource=origin, CopySourceIfMatch=source.etag
            )
            return True

        return bool(self._unless_changed(copy))

    def delete(self, path: str) -> None:
        """Remove an object if it is there."""
        with self._translated():
            self._client.delete_object(Bucket=self._bucket, Key=self._below + path)

    def _unless_changed(self, request: Callable[[], Result]) -> Result | None:
        with self._translated():
            try:
                return request()
            except ClientError as error:
                if error.response.get("Error", {}).get("Code", "") in _CHANGED:
                    return None
                raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of boto3 become those of our tree."""
        try:
            yield
        except ClientError as error:
            logger.exception("S3 refused a request for voices in %s", self._label)
            code = str(error.response.get("Error", {}).get("Code", ""))
            raise ModelUnavailable(self._sentence(code)) from error
        except NoCredentialsError as error:
            raise ModelUnavailable(
                f"There are no credentials for the voices in {self._label}. Set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY."
            ) from error
        except BotoCoreError as error:
            logger.exception("S3 cannot be reached for voices in %s", self._label)
            raise ModelUnavailable("The store of the voices cannot be reached. Try again.") from error

    def _sentence(self, code: str) -> str:
        if code in ("NoSuchBucket", "404"):
            return f"The bucket of the voices, {self._bucket!r}, does not exist."
        if code in _NO_ACCESS:
            return (
                f"The credentials in AWS_ACCESS_KEY_ID do not suffice for {self._label} ({code}). They need "
                "s3:ListBucket, s3:GetObject, and to keep voices s3:PutObject and s3:DeleteObject."
            )
        return f"The store of the voices refused a request ({code or 'without a reason'}). Try again."
