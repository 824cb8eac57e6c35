"""Bytes sent with PUT: to checked addresses only, in bounded time, and again if the server stumbles.

As in downloads the address that was checked is the one that is connected to; redirects are answers here and never
followed, and there is no proxy.
"""

import asyncio
import hashlib
import random
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import h11
import httpcore

from media.errors import FetchFailed, PayloadTooLarge
from media.network import PinnedBackend, Resolver, parse_networks
from media.publishing.put import Answer, PutRequest, put

_CHUNK_BYTES = 256 * 1024
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT_S = 8.0


@dataclass(frozen=True, slots=True)
class PublishPolicy:
    """What publishing may cost, and how long links work."""

    max_bytes: int = 1024**3
    """Of one result; S3 takes no more than 5 GiB in one request."""
    max_inline_bytes: int = 10 * 1024**2
    """Of one result that stays inline, before it becomes base64."""
    link_s: int = 7 * 86_400
    """How long a link works. S3 allows a week at most; transfer.sh counts in days, rounded up."""
    timeout_s: float = 600.0
    """For the whole upload, with all attempts and the waiting between them."""
    connect_timeout_s: float = 10.0
    """For resolving a host, and again for connecting to it."""
    silence_timeout_s: float = 60.0
    """The longest time without a byte sent, and again for the answer."""
    attempts: int = 4
    backoff_s: float = 0.5
    """Before the second attempt; doubled before each later one, up to 8 s, with jitter."""
    allowed_networks: tuple[str, ...] = ()
    """CIDRs in which a client's own S3 may be although they are not public."""


class UploadRefused(Exception):
    """An upload did not succeed. The text is a sentence without secrets, for a client or for the log."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is uploaded. ``size`` in bytes; ``sha256`` in hexadecimal digits."""

    source: Path | bytes = field(repr=False)
    size: int
    sha256: str
    content_type: str

    async def chunks(self) -> AsyncGenerator[bytes]:
        """All bytes, from the beginning, read from the disk on threads."""
        if isinstance(self.source, bytes):
            for start in range(0, self.size, _CHUNK_BYTES):
                yield self.source[start : start + _CHUNK_BYTES]
            return
        file = await asyncio.to_thread(self.source.open, "rb")
        try:
            while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                yield chunk
        finally:
            await asyncio.to_thread(file.close)


def measure(source: Path | bytes, content_type: str, max_bytes: int) -> Content:
    """The size and hash of a file or bytes. Blocks. Raises PayloadTooLarge, and ``OSError`` for the local disk."""
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size > max_bytes:
        raise PayloadTooLarge(f"The result has {size} bytes, but at most {max_bytes} can be published.")
    if isinstance(source, bytes):
        digest = hashlib.sha256(source)
    else:
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    return Content(source, size, digest.hexdigest(), content_type)


class Uploader:
    """Sends content within a policy, to public addresses and those in ``networks`` (CIDR)."""

    def __init__(self, policy: PublishPolicy, networks: Sequence[str], resolve: Resolver) -> None:
        self.policy = policy
        self._backend = PinnedBackend(parse_networks(networks), resolve)

    async def put(self, request: Callable[[], PutRequest], content: Content) -> Answer:
        """The server's last answer, good or bad. ``request`` is called before each attempt, to be signed anew.

        Raises :class:`UploadRefused` if there is no answer, ForbiddenUrl for an address that may not be reached.
        """
        for attempt in range(self.policy.attempts):
            if attempt:
                await asyncio.sleep(self._wait_s(attempt))
            last = attempt + 1 == self.policy.attempts
            target = request()
            host = target.url.host
            try:
                answer = await self._once(target, content)
            except (httpcore.NetworkError, httpcore.TimeoutException, h11.ProtocolError) as error:
                if last:
                    raise UploadRefused(_sentence(host, error)) from error
            except FetchFailed as error:  # the host has no address
                if last:
                    raise UploadRefused(f"The host {host!r} could not be found.") from error
            else:
                if last or (answer.status not in _AGAIN and "<Code>RequestTimeout<" not in answer.text):
                    return answer
        raise AssertionError("a policy allows one attempt at least")

    async def _once(self, request: PutRequest, content: Content) -> Answer:
        async with aclosing(content.chunks()) as chunks:
            return await put(
                request,
                chunks,
                content.size,
                self._backend,
                connect_timeout_s=self.policy.connect_timeout_s,
                silence_timeout_s=self.policy.silence_timeout_s,
            )

    def _wait_s(self, attempt: int) -> float:
        longest = min(_LONGEST_WAIT_S, self.policy.backoff_s * 2.0 ** (attempt - 1))
        return longest * random.uniform(0.5, 1)


def _sentence(host: str, error: Exception) -> str:
    if isinstance(error, httpcore.ConnectError) and isinstance(error.__context__, ssl.SSLError):
        return f"{host} failed the TLS handshake; check that its certificate is valid for its name."
    if isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout):
        return f"{host} does not accept connections; check the host and the port."
    if isinstance(error, httpcore.TimeoutException):
        return f"{host} fell silent during the upload."
    return f"{host} broke off the upload."
