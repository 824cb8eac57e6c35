"""A big result -> a link: to a bucket, to a transfer.sh server, or inline as a ``data:`` URL.

Where to is the operator's choice, in the environment, or a client's, which names a bucket of its own for one
request. A client's endpoint is reached like any URL of a client: the address of every connection is checked when
it is made, so a name that answers differently the second time gains nothing. What remains is that such a client
learns whether a public host answers.
"""

import asyncio
import base64
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from media.errors import ClientError, PayloadTooLarge, PublishFailed
from media.network import Resolver, resolve_with_system
from media.publishing.result_names import checked_path, named_for
from media.publishing.s3_bucket import LONGEST_LINK_S, Addressing, find_bucket
from media.publishing.s3_upload import S3Destination
from media.publishing.transfersh import PUBLIC_SERVER, find_server
from media.publishing.upload import Content, PublishPolicy, Uploader, UploadRefused, measure

logger = logging.getLogger(__name__)

_EVERYWHERE = ("0.0.0.0/0", "::/0")
_CONTENT_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+(; ?[a-z]+=[A-Za-z0-9._-]+)*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Published:
    """A result that can be read at ``url``. ``bytes`` is its size."""

    url: str
    bytes: int
    content_type: str


class Destination(Protocol):
    """Where results go. Its ``repr`` shows no secret."""

    async def upload(self, name: str, content: Content, uploader: Uploader) -> str:
        """The link. Raises UploadRefused, and ForbiddenUrl for an address that may not be reached."""
        ...


class Publisher:
    """Publishes results at one destination; without one they stay inline. Usable by many tasks at once."""

    def __init__(
        self,
        destination: Destination | None = None,
        policy: PublishPolicy | None = None,
        *,
        of_client: bool = False,
        resolve: Resolver = resolve_with_system,
    ) -> None:
        """``of_client``: the destination is a client's, so its failures are, and only public addresses and the
        policy's ``allowed_networks`` are reached. Raises ``ValueError`` for a policy that cannot be.
        """
        policy = policy or PublishPolicy()
        if not 0 < policy.link_s <= LONGEST_LINK_S or policy.attempts < 1:
            raise ValueError(f"Links live 1 to {LONGEST_LINK_S} s, and uploads take one attempt at least.")
        networks = policy.allowed_networks if of_client else _EVERYWHERE
        self._destination = destination
        self._of_client = of_client
        self._policy = policy
        self._uploader = Uploader(policy, networks, resolve)

    def __repr__(self) -> str:
        return f"Publisher({self._destination!r})"

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, policy: PublishPolicy | None = None
    ) -> "Publisher":
        """The operator's destination.

        ``UPLOAD_MODE`` is ``s3``, ``transfersh`` or unset (inline). S3 reads ``BUCKET_ENDPOINT_URL``,
        ``BUCKET_ACCESS_KEY_ID`` and ``BUCKET_SECRET_ACCESS_KEY``, and where they are set ``BUCKET_AREA`` (region),
        ``BUCKET_NAME`` (else the first label of the endpoint's host), ``BUCKET_PREFIX`` and ``BUCKET_ADDRESSING``
        (``path`` or ``virtual``); transfer.sh reads ``TRANSFERSH_URL``, which may have a login.

        Raises ``ValueError`` with a sentence that says which variable to change.
        """
        environment = os.environ if environment is None else environment
        mode = environment.get("UPLOAD_MODE", "")
        if mode == "":
            return cls(None, policy)
        if mode == "s3":
            return cls(_bucket_of_environment(environment), policy)
        if mode == "transfersh":
            try:
                return cls(find_server(environment.get("TRANSFERSH_URL") or PUBLIC_SERVER), policy)
            except ValueError as error:
                raise ValueError(f"{error} Change TRANSFERSH_URL.") from error
        raise ValueError(
            f"UPLOAD_MODE is {mode!r}; set it to s3 or transfersh (lower case), or unset it for inline results."
        )

    @classmethod
    def for_client(
        cls,
        *,
        endpoint_url: str,
        access_id: str,
        access_secret: str,
        bucket_name: str = "",
        object_path: str = "",
        policy: PublishPolicy | None = None,
        resolve: Resolver = resolve_with_system,
    ) -> "Publisher":
        """The bucket that a request names; objects go below ``object_path``. Nothing is connected to yet.

        Raises ClientError with a sentence that repeats neither key.
        """
        try:
            bucket = find_bucket(
                endpoint_url=endpoint_url,
                access_key_id=access_id,
                secret_access_key=access_secret,
                bucket=bucket_name,
                prefix=object_path,
            )
        except ValueError as error:
            raise ClientError(str(error)) from error
        return cls(S3Destination(bucket), policy, of_client=True, resolve=resolve)

    @property
    def inline(self) -> bool:
        """Whether results become ``data:`` URLs, so that those who can keep a result as it is need not publish."""
        return self._destination is None

    async def publish(self, content: Path | bytes, *, name: str, content_type: str) -> Published:
        """Publish a file or bytes. In a bucket ``name`` is the key below the prefix, with the content type's
        extension put right; the same name replaces the object.

        Raises PayloadTooLarge; ClientError if a client's bucket does not take it (ForbiddenUrl for an address that
        may not be reached), PublishFailed if ours does not; ``OSError`` for the local disk; ``ValueError`` for a
        name or content type that cannot be.
        """
        if not _CONTENT_TYPE.fullmatch(content_type):
            raise ValueError(f"{content_type!r} is no content type")
        if not name.strip("/"):
            raise ValueError("A result needs a name")
        name = named_for(checked_path(name, "A result's name"), content_type)
        if self._destination is None:
            url, size = await asyncio.to_thread(_data_url, content, content_type, self._policy.max_inline_bytes)
            return Published(url, size, content_type)
        try:
            async with asyncio.timeout(self._policy.timeout_s):
                measured = await asyncio.to_thread(measure, content, content_type, self._policy.max_bytes)
                url = await self._destination.upload(name, measured, self._uploader)
        except TimeoutError as error:
            raise self._failed(f"It took longer than {self._policy.timeout_s:g} s.") from error
        except UploadRefused as refused:
            raise self._failed(str(refused)) from refused
        return Published(url, measured.size, content_type)

    def _failed(self, sentence: str) -> ClientError | PublishFailed:
        if self._of_client:
            return ClientError(f"The result could not be put into your S3 bucket. {sentence}")
        logger.error("A result could not be published at %r. %s", self._destination, sentence)
        return PublishFailed("The result is ready, but this server's storage did not take it. Try again later.")


def _bucket_of_environment(environment: Mapping[str, str]) -> S3Destination:
    needed = ("BUCKET_ENDPOINT_URL", "BUCKET_ACCESS_KEY_ID", "BUCKET_SECRET_ACCESS_KEY")
    missing = [name for name in needed if not environment.get(name)]
    if missing:
        raise ValueError(f"UPLOAD_MODE is s3, so set {' and '.join(missing)}.")
    addressing = environment.get("BUCKET_ADDRESSING") or None
    if addressing not in (None, "path", "virtual"):
        raise ValueError(f"BUCKET_ADDRESSING is {addressing!r}; set it to path or virtual, or unset it.")
    try:
        bucket = find_bucket(
            endpoint_url=environment["BUCKET_ENDPOINT_URL"],
            access_key_id=environment["BUCKET_ACCESS_KEY_ID"],
            secret_access_key=environment["BUCKET_SECRET_ACCESS_KEY"],
            bucket=environment.get("BUCKET_NAME", ""),
            region=environment.get("BUCKET_AREA", ""),
            prefix=environment.get("BUCKET_PREFIX", ""),
            addressing=cast("Addressing | None", addressing),
        )
    except ValueError as error:
        raise ValueError(f"{error} Change the BUCKET_ variables.") from error
    return S3Destination(bucket)


def _data_url(content: Path | bytes, content_type: str, max_bytes: int) -> tuple[str, int]:
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    if size > max_bytes:
        raise PayloadTooLarge(
            f"The result has {size} bytes, but without storage for results at most {max_bytes} can be answered."
        )
    data = content if isinstance(content, bytes) else content.read_bytes()
    return f"data:{content_type.replace(' ', '')};base64,{base64.b64encode(data).decode()}", len(data)
