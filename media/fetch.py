"""A client's URL -> a local file, safe from SSRF: the client reaches nothing that only the server can.

The safety rests on three things: :class:`~media.network.PinnedBackend` checks the address of every
connection, redirects included; httpcore is used without a proxy, cookies or decompression; and bytes,
seconds and redirects are counted.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpcore
import httpx

from media.errors import FetchFailed, PayloadTooLarge
from media.network import Resolver, resolve_with_system
from media.partial_file import PartialFile
from media.web import connections, parse_url, ssl_context, wire_url

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_COMPRESSIONS = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"})
_WRITE_BYTES = 1 << 20
_HEADERS = ((b"Accept", b"*/*"), (b"Accept-Encoding", b"identity"), (b"User-Agent", b"antiphon"))

Progress = Callable[[int, int | None], None]
"""``on_progress(received, expected)``, both in bytes; ``expected`` is None where the server does not say."""


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """What a download may cost, and where it may go besides the public internet."""

    max_bytes: int = 2 * 1024**3
    timeout_s: float = 600.0
    """For the whole download, redirects included."""
    connect_timeout_s: float = 10.0
    """For resolving a host, and again for connecting to it."""
    read_timeout_s: float = 60.0
    """The longest silence of a server."""
    max_redirects: int = 5
    allowed_networks: tuple[str, ...] = ()
    """CIDRs that may be reached although they are not public, for example ``("10.20.0.0/16",)``."""


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A finished download. ``content_type`` is the server's claim: a hint, not a fact."""

    path: Path
    size: int
    """Bytes, at least one."""
    content_type: str | None
    """Lower case, for example ``audio/mpeg`` or ``audio/pcm;rate=16000``."""


async def fetch(
    url: str,
    destination: Path,
    policy: FetchPolicy,
    *,
    on_progress: Progress | None = None,
    resolve: Resolver = resolve_with_system,
) -> FetchedFile:
    """Download ``url`` to ``destination``, which appears only when it is complete (an old file is replaced).

    ``on_progress`` is called on the event loop after every chunk. ``resolve`` replaces the system's DNS.

    Raises :class:`ForbiddenUrl` (scheme, login, address), :class:`PayloadTooLarge`, :class:`FetchFailed` (not
    found, broken off, too slow, too many redirects) and ``OSError`` for the local disk. Whatever happens,
    cancellation included, no partial file stays behind.
    """
    target = parse_url(url)
    pool = connections(policy.allowed_networks, resolve, ssl_context())
    try:
        async with asyncio.timeout(policy.timeout_s), pool:
            for _ in range(policy.max_redirects + 1):
                async with _get(pool, target, policy) as response:
                    headers = httpx.Headers(response.headers)
                    if response.status in _REDIRECTS and "location" in headers:
                        target = parse_url(headers["location"], base=target)
                        continue
                    expected = _check_response(target.host, response.status, headers, policy)
                    chunks = cast("AsyncGenerator[bytes, None]", response.aiter_stream())
                    size = await _save(chunks, target.host, destination, expected, policy, on_progress)
                content_type = headers.get("content-type", "").strip().lower() or None
                return FetchedFile(destination, size, content_type)
    except TimeoutError as error:
        raise FetchFailed(f"{target.host} did not deliver the file in {policy.timeout_s:g} s.") from error
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        raise _failure(target.host, error) from error
    raise FetchFailed(f"{target.host} redirects more than {policy.max_redirects} times; use the final URL.")


def _get(
    pool: httpcore.AsyncConnectionPool, url: httpx.URL, policy: FetchPolicy
) -> AbstractAsyncContextManager[httpcore.Response]:
    return pool.stream(
        "GET",
        wire_url(url),
        headers=[(b"Host", url.netloc), *_HEADERS],
        extensions=_timeouts(policy),
    )


def _check_response(host: str, status: int, headers: httpx.Headers, policy: FetchPolicy) -> int | None:
    """The announced size in bytes, if any; raises for an answer that is not the wanted file."""
    if status != 200:
        raise FetchFailed(f"{host} answered with HTTP status {status}; check that the URL is public and current.")
    if headers.get("content-encoding", "").strip().lower() in _COMPRESSIONS:
        raise FetchFailed(f"{host} sends the file compressed although that was not asked for; host it as it is.")
    length = headers.get("content-length", "")
    expected = int(length) if length.isdecimal() else None
    if expected is not None and expected > policy.max_bytes:
        raise _too_large(f"{expected} bytes", policy)
    return expected


async def _save(
    chunks: AsyncGenerator[bytes, None],
    host: str,
    destination: Path,
    expected: int | None,
    policy: FetchPolicy,
    on_progress: Progress | None,
) -> int:
    """Write the chunks to ``destination`` and return how many bytes they were."""
    file = PartialFile(destination)
    try:
        received, pending = 0, bytearray()
        async with aclosing(chunks):
            async for chunk in chunks:
                received += len(chunk)
                if received > policy.max_bytes:
                    raise _too_large(f"at least {received} bytes", policy)
                pending += chunk
                if len(pending) >= _WRITE_BYTES:
                    await asyncio.to_thread(file.write, pending)
                    pending = bytearray()
                if on_progress is not None:
                    on_progress(received, expected)
        if not received:
            raise FetchFailed(f"{host} delivered an empty file.")
        await asyncio.to_thread(file.commit, pending)
    finally:
        await asyncio.to_thread(file.discard)
    return received


def _timeouts(policy: FetchPolicy) -> dict[str, dict[str, float]]:
    connect, read = policy.connect_timeout_s, policy.read_timeout_s
    return {"timeout": {"connect": connect, "read": read, "write": read, "pool": connect}}


def _too_large(what: str, policy: FetchPolicy) -> PayloadTooLarge:
    return PayloadTooLarge(f"The file has {what}, but at most {policy.max_bytes} are allowed.")


def _failure(host: str, error: Exception) -> FetchFailed:
    """The sentence for a network error; the error's own text may hold addresses, so it is not repeated."""
    if isinstance(error, httpcore.ConnectError) and isinstance(error.__context__, ssl.SSLError):
        return FetchFailed(f"{host} failed the TLS handshake; check that its certificate is valid for its name.")
    if isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout):
        return FetchFailed(f"{host} does not accept connections; check the URL's host and port.")
    if isinstance(error, httpcore.TimeoutException):
        return FetchFailed(f"{host} fell silent during the download; try again or use another host.")
    return FetchFailed(f"{host} broke off the download; try again or use another host.")
