"""What downloads and posts share: which URLs are taken, and connections that reach no forbidden address."""

import functools
import ssl
from collections.abc import Sequence

import httpcore
import httpx

from media.errors import ForbiddenUrl
from media.network import PinnedBackend, Resolver, parse_networks

LONGEST_HOST = 253  # characters of a DNS name


def parse_url(text: str, base: httpx.URL | None = None, *, use: str = "fetched") -> httpx.URL:
    """An absolute http or https URL, normalised, its fragment dropped; with ``base``, where a redirect leads to.
    ``use`` is the participle that the refusal of other schemes says.

    Raises :class:`ForbiddenUrl` for all others, and for those with a login.
    """
    try:
        url = base.join(text) if base is not None else httpx.URL(text.strip())
        long = len(url.host) > LONGEST_HOST  # reading the host decodes xn-- labels, which may be malformed
    except (httpx.InvalidURL, ValueError) as error:
        raise ForbiddenUrl("This is not a valid URL; use one such as https://example.com/path.") from error
    if long:
        raise ForbiddenUrl(f"The URL's host is longer than the {LONGEST_HOST} characters that a name may have.")
    redirect = "The redirect leads to" if base is not None else "This is"
    if url.scheme not in ("http", "https"):
        raise ForbiddenUrl(f"{redirect} a {url.scheme or 'relative'} URL; only http and https URLs are {use}.")
    if url.userinfo:
        raise ForbiddenUrl(f"{redirect} a URL with a user name or password; remove what stands before the @.")
    if not url.host:
        raise ForbiddenUrl(f"{redirect} a URL without a host; use one such as https://example.com/path.")
    if url.port is not None and not 0 < url.port < 65536:
        raise ForbiddenUrl(f"{redirect} a URL with port {url.port}; ports go from 1 to 65535.")
    return url.copy_with(fragment=None)


def connections(
    allowed_networks: Sequence[str], resolve: Resolver, tls: ssl.SSLContext
) -> httpcore.AsyncConnectionPool:
    """Connections to public addresses and to those of the allowed networks (CIDR), without a proxy, cookies,
    redirects or decompression. Raises ``ValueError`` for a network that is none.
    """
    backend = PinnedBackend(parse_networks(allowed_networks), resolve)
    return httpcore.AsyncConnectionPool(tls, network_backend=backend)


def wire_url(url: httpx.URL) -> httpcore.URL:
    """The URL as httpcore wants it."""
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


@functools.cache
def ssl_context() -> ssl.SSLContext:
    """Verifies certificates by the system's or certifi's bundle."""
    return httpx.create_ssl_context()  # reading the certificate bundle takes tens of milliseconds
