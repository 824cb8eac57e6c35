"""Bytes -> a client's URL, safe from SSRF: the client reaches nothing that only the server can.

Like a download (``media/fetch.py``), but a redirect is an answer here and never followed, and of the answer little
more than its status is read.
"""

import asyncio
import email.utils
import math
import ssl
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import cast

import httpcore
import httpx

from media.errors import ClientError, FetchFailed
from media.network import Resolver, resolve_with_system
from media.web import connections, parse_url, ssl_context, wire_url

KEPT_HEADERS = ("content-type", "location", "retry-after")
_HEADER_CHARACTERS = 1_024
_BROKEN = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)


class PostFailed(ClientError):
    """A URL that is allowed but did not answer what was sent to it."""

    code = "post_failed"


@dataclass(frozen=True, slots=True)
class PostPolicy:
    """What a post may cost, and where it may go besides the public internet."""

    timeout_s: float = 10.0
    """For everything: the host's address, the connection, the body, the answer."""
    answer_bytes: int = 4_096
    """How much of the answer's body is read before the connection is closed; none of it is kept."""
    allowed_networks: tuple[str, ...] = ()
    """CIDRs that may be reached although they are not public, for example ``("10.20.0.0/16",)``."""


@dataclass(frozen=True, slots=True)
class PostResult:
    """What a receiver answered, whatever its status.

    ``headers`` are those of ``KEPT_HEADERS`` that it sent, by their lower-case names. ``retry_after_s`` are
    seconds from now, at least 0; None if it asked for no delay.
    """

    status: int
    headers: Mapping[str, str]
    retry_after_s: float | None

    @property
    def ok(self) -> bool:
        """Whether the receiver took it; a redirect is no yes."""
        return 200 <= self.status < 300


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    policy: PostPolicy,
    *,
    resolve: Resolver = resolve_with_system,
) -> PostResult:
    """Send ``body`` once. ``headers`` go beside ``Host``, ``Content-Length`` and ``User-Agent``.

    Raises :class:`~media.errors.ForbiddenUrl` (scheme, login, address), :class:`PostFailed` (not found, refused,
    broken off, too slow) and ``ValueError`` for a policy with a network that is none. ``resolve`` replaces the
    system's DNS.
    """
    target = parse_url(url, use="called")
    pool = connections(policy.allowed_networks, resolve, ssl_context())
    sent = [
        (b"Host", target.netloc),
        (b"Content-Length", b"%d" % len(body)),
        (b"User-Agent", b"antiphon"),
        (b"Accept", b"*/*"),
        *((name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()),
    ]
    limits = dict.fromkeys(("connect", "read", "write", "pool"), policy.timeout_s)
    result: PostResult | None = None
    try:
        async with (
            asyncio.timeout(policy.timeout_s),
            pool,
            pool.stream(
                "POST", wire_url(target), headers=sent, content=body, extensions={"timeout": limits}
            ) as response,
        ):
            result = _result(response)
            await _drain(response, policy.answer_bytes)
    except FetchFailed as error:  # no address
        raise PostFailed(error.message) from error
    except (TimeoutError, *_BROKEN) as error:
        if result is None:
            raise _failure(target.host, error, policy) from error
    assert result is not None
    return result


def retry_after(text: str, now: float) -> float | None:
    """Seconds that a ``Retry-After`` asks for, at least 0; None for what is neither a number nor a date.

    ``now`` is Unix time.
    """
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:18])
    with suppress(ValueError, OverflowError, TypeError):
        when = email.utils.parsedate_to_datetime(text).timestamp()
        return max(0.0, when - now) if math.isfinite(when) else None
    return None


def _result(response: httpcore.Response) -> PostResult:
    received = httpx.Headers(response.headers)
    kept = {name: received[name][:_HEADER_CHARACTERS] for name in KEPT_HEADERS if name in received}
    wanted = retry_after(kept["retry-after"], time.time()) if "retry-after" in kept else None
    return PostResult(response.status, kept, wanted)


async def _drain(response: httpcore.Response, most: int) -> None:
    """Read a short answer to its end, so that its sender does not see a broken connection."""
    received = 0
    async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_stream())) as chunks:
        async for chunk in chunks:
            received += len(chunk)
            if received >= most:
                return


def _failure(host: str, error: Exception, policy: PostPolicy) -> PostFailed:
    """The sentence for a network error; the error's own text may hold addresses, so it is not repeated."""
    if isinstance(error, httpcore.ConnectError) and isinstance(error.__context__, ssl.SSLError):
        return PostFailed(f"{host} failed the TLS handshake; check that its certificate is valid for its name.")
    if isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout):
        return PostFailed(f"{host} does not accept connections; check the URL's host and port.")
    if isinstance(error, TimeoutError | httpcore.TimeoutException):
        return PostFailed(f"{host} did not answer in {policy.timeout_s:g} s; answer first and work later.")
    return PostFailed(f"{host} broke off the connection before it answered.")
