"""Which addresses the server may reach on a client's behalf, and a connector that refuses all others (SSRF)."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpcore

from media.errors import FetchFailed, ForbiddenUrl

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""``await resolve(host, port)`` gives the host's addresses as text; ``OSError`` when it has none."""

MAX_ADDRESSES = 4
"""How many of a host's addresses are tried; they share the time allowed for connecting."""

# Written out, because ``ipaddress.is_global`` changes with the Python version, calls multicast and
# reserved IPv6 global, and cannot know of 168.63.129.16, the address of Azure's host agent.
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
    )
)
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "3fff::/20"))
_SIX_TO_FOUR = IPv6Network("2002::/16")
_NAT64 = IPv6Network("64:ff9b::/96")


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """CIDR texts such as ``"10.0.0.0/8"`` as networks. Raises ``ValueError`` for what is none."""
    return tuple(ip_network(text) for text in texts)


def is_public(address: Address) -> bool:
    """Whether the address is reachable from everywhere on the internet.

    False for private, loopback, link-local (with the clouds' metadata services), shared, multicast,
    documentation, reserved and unspecified addresses. An IPv6 address that stands for an IPv4 one (mapped,
    6to4, NAT64) is as public as that one; Teredo and all other special IPv6 ranges are not public.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    if (embedded := _embedded_v4(address)) is not None:
        return is_public(embedded)
    return address in _GLOBAL_UNICAST_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def may_reach(address: Address, allowed: Iterable[Network] = ()) -> bool:
    """Whether the address is public or lies in a network that the operator allows.

    An IPv4-mapped IPv6 address counts as the IPv4 address that the socket would connect to.
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return is_public(address) or any(address in network for network in allowed)


def _embedded_v4(address: IPv6Address) -> IPv4Address | None:
    if address in _SIX_TO_FOUR:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped


async def resolve_with_system(host: str, port: int) -> Sequence[str]:
    """The host's addresses from the system's resolver, asked on a thread of the event loop's pool."""
    addresses = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in addresses]


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a host once, checks **all** its addresses, and connects to exactly those that were checked.

    There is no second look-up that could answer differently (DNS rebinding), and TLS still verifies the
    host name, because only the TCP connection knows of the address. One forbidden address among several
    forbids the host. Raises :class:`ForbiddenUrl` and, for a host without addresses, :class:`FetchFailed`.
    """

    def __init__(self, allowed: Sequence[Network], resolve: Resolver = resolve_with_system) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = (await self._checked_addresses(host, port, timeout))[:MAX_ADDRESSES]
        share = None if timeout is None else timeout / len(addresses)
        for address in addresses[:-1]:
            try:
                return await self._sockets.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._sockets.connect_tcp(addresses[-1], port, share, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _checked_addresses(self, host: str, port: int, timeout: float | None) -> list[str]:
        try:
            async with asyncio.timeout(timeout):
                texts = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            raise FetchFailed(f"The host {host!r} could not be found; check the URL.") from error
        if not texts:
            raise FetchFailed(f"The host {host!r} has no address; check the URL.")
        for text in texts:
            if not may_reach(ip_address(text), self._allowed):
                raise ForbiddenUrl(
                    f"The host {host!r} is not on the public internet; use a URL that everybody can reach."
                )
        return list(dict.fromkeys(texts))
