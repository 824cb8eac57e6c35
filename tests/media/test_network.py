"""Which addresses count as public."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.network import is_public, may_reach, parse_networks

PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2001:4860:4860::8888"]
NOT_PUBLIC = [
    *("127.0.0.1", "127.255.255.254", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    *("0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "198.18.0.1"),
    *("192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "ff0e::1"),
    *("100::1", "2001:db8::1", "2001::1", "3fff::1", "5f00::1", "64:ff9b:1::1", "4000::1"),
]


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_may_be_reached(text: str) -> None:
    assert is_public(ip_address(text))
    assert may_reach(ip_address(text))


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_other_addresses_may_not(text: str) -> None:
    assert not is_public(ip_address(text))
    assert not may_reach(ip_address(text))


def embeddings(v4: IPv4Address) -> dict[str, IPv6Address]:
    number = int(v4)
    return {
        "mapped": IPv6Address((0xFFFF << 32) | number),
        "6to4": IPv6Address((0x2002 << 112) | (number << 80) | 1),
        "nat64": IPv6Address((0x64FF9B << 96) | number),
    }


@given(st.ip_addresses(v=4))
def test_an_embedded_ipv4_address_is_as_public_as_itself(v4: IPv4Address) -> None:
    for form, v6 in embeddings(v4).items():
        assert is_public(v6) == is_public(v4), form


@given(st.ip_addresses(v=4))
def test_ipv4_addresses_that_only_look_embedded_are_not_public(v4: IPv4Address) -> None:
    number = int(v4)
    compatible = IPv6Address(number)  # ::a.b.c.d
    translated = IPv6Address((0xFFFF << 48) | number)  # ::ffff:0:a.b.c.d
    teredo = IPv6Address((0x20010000 << 96) | (number ^ 0xFFFF_FFFF))
    assert not any(map(is_public, (compatible, translated, teredo)))


@given(st.ip_addresses(v=4) | st.ip_addresses(network="2000::/3"))
def test_no_public_address_is_called_special_by_the_standard_library(
    address: IPv4Address | IPv6Address,
) -> None:
    if is_public(address):
        special = ("private", "loopback", "link_local", "multicast", "reserved", "unspecified")
        assert [kind for kind in special if getattr(address, f"is_{kind}")] == []


@given(st.ip_addresses(network="10.0.0.0/8"))
def test_allowed_networks_open_exactly_themselves(v4: IPv4Address) -> None:
    assert may_reach(v4, parse_networks(["10.0.0.0/8"]))
    assert may_reach(embeddings(v4)["mapped"], parse_networks(["10.0.0.0/8"]))
    assert not may_reach(embeddings(v4)["6to4"], parse_networks(["10.0.0.0/8"]))
    assert not may_reach(v4, parse_networks(["11.0.0.0/8", "fc00::/7"]))


def test_a_network_with_host_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="host bits"):
        parse_networks(["10.0.0.1/8"])
