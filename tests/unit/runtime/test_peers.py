"""Who one caller is, by address."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caas.runtime.identity.peers import IPV6_SITE_BITS, names_loopback, site_of


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0:0:ffff:ffff:ffff:ffff", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_an_ipv6_caller_is_a_network(address: str, site: str) -> None:
    """However it is spelled; a text that is no address is itself."""
    assert site_of(address) == site


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_neighbours_are_one_caller(address: ipaddress.IPv6Address, host: int) -> None:
    """Whatever the lower half says, and nobody else: the upper half decides alone."""
    if address.ipv4_mapped is not None:
        return
    network = int(address) >> (128 - IPV6_SITE_BITS)
    neighbour = ipaddress.IPv6Address(network << (128 - IPV6_SITE_BITS) | host)
    stranger = ipaddress.IPv6Address((network ^ 1) << (128 - IPV6_SITE_BITS) | host)
    if neighbour.ipv4_mapped is not None or stranger.ipv4_mapped is not None:
        return

    assert site_of(str(neighbour)) == site_of(str(address)) != site_of(str(stranger))


@given(st.ip_addresses(v=4))
def test_each_ipv4_address_is_a_caller(address: ipaddress.IPv4Address) -> None:
    """Many people share one, but none has two for free."""
    assert site_of(str(address)) == str(address)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:3000", "127.0.0.1", "127.0.0.1:3000", "127.9.9.9", "[::1]", "[::1]:80",
     "[::ffff:127.0.0.1]:80"],
)  # fmt: skip
def test_hosts_that_are_this_machine(host: str) -> None:
    """Names that no name server is asked about, and addresses."""
    assert names_loopback(host.encode())


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:3000", "127.0.0.1.evil.example", "localhost.evil.example",
     "localhost@evil.example", "evil.example:127.0.0.1", ":127.0.0.1", "192.0.2.1", "[2001:db8::1]",
     "[::1].evil.example", "[::1", "::1", "::1:80", "2130706433", "0x7f.1", "\xe4", "[localhost]"],
)  # fmt: skip
def test_hosts_that_are_not(host: str) -> None:
    """Whatever name an attacker can have resolved to loopback."""
    assert not names_loopback(host.encode("latin-1"))
