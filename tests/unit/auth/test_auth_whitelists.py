"""Whitelist rules: tables of what fits and what only looks alike, and properties over many."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caas.auth.domain.whitelists import (
    address_allowed,
    origin_allowed,
    parse_address,
    parse_network,
    parse_origin,
)
from caas.auth.errors import FieldInvalidError


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.0.0.1", "10.0.0.1/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8::1", "2001:db8::1/128"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::/0", "::/0"),
    ],
)
def test_network_has_one_spelling(text: str, canonical: str) -> None:
    """A mapped block of IPv4 is that block of IPv4."""
    assert str(parse_network(text)) == canonical


@pytest.mark.parametrize(
    "text",
    ["", " ", "10.0.0", "10.0.0.256", "10.0.0.1/33", "10.0.0.1/8", "010.0.0.1", "0x0a000001",
     "167772161", "10.0.0.1/255.0.0.0", "10.0.0.0/0.255.255.255", "10.0.0.1/", "/8", "10.0.0.1/8/8",
     "10.0.0.1 ", " 10.0.0.1", "fe80::1%eth0", "2001:db8::/129", "2001:db8::1/32", "localhost",
     "*", "10.0.0.*", "10.0.0.1-10.0.0.9", "::ffff:10.0.0.1/8", "\u0661.1.1.1", "1.1.1.1/\u0668"],
)  # fmt: skip
def test_what_is_no_network_is_refused(text: str) -> None:
    """Octal, decimal, masks, ranges, zones and host bits are errors, not guesses."""
    with pytest.raises(FieldInvalidError) as refused:
        parse_network(text)

    assert refused.value.errors[0][0] == "ip"


@pytest.mark.parametrize(
    ("address", "networks", "allowed"),
    [
        pytest.param("203.0.113.9", [], True, id="no entries allow all"),
        pytest.param("10.0.0.1", ["10.0.0.1/32"], True, id="exact"),
        pytest.param("10.0.0.2", ["10.0.0.1/32"], False, id="neighbour"),
        pytest.param("::ffff:10.0.0.1", ["10.0.0.1/32"], True, id="mapped caller"),
        pytest.param("::ffff:a00:1", ["10.0.0.1/32"], True, id="mapped caller, in hexadecimal"),
        pytest.param("::10.0.0.1", ["10.0.0.1/32"], False, id="compatible is not mapped"),
        pytest.param("10.255.255.255", ["10.0.0.0/8"], True, id="last of the block"),
        pytest.param("11.0.0.0", ["10.0.0.0/8"], False, id="first after the block"),
        pytest.param("2001:db8:0:0::1", ["2001:db8::/32"], True, id="long spelling"),
        pytest.param("2001:db9::1", ["2001:db8::/32"], False, id="other v6 block"),
        pytest.param("10.0.0.1", ["::/0"], False, id="all of v6 is not v4"),
        pytest.param("10.0.0.1", ["192.0.2.0/24", "10.0.0.0/31"], True, id="second entry"),
        pytest.param("64:ff9b::a00:1", ["10.0.0.1/32"], False, id="translated is not mapped"),
    ],
)
def test_address_table(address: str, networks: list[str], allowed: bool) -> None:  # noqa: FBT001
    """What lies in a listed network may pass."""
    assert address_allowed(parse_address(address), networks) is allowed


@given(st.ip_addresses(v=4), st.integers(0, 32), st.ip_addresses(v=4))
def test_v4_block_holds_exactly_the_addresses_with_its_prefix(
    base: ipaddress.IPv4Address, bits: int, caller: ipaddress.IPv4Address
) -> None:
    """Checked against arithmetic on the numbers, for plain and mapped callers."""
    block = str(ipaddress.ip_network((int(base), bits), strict=False))
    shift = 32 - bits
    expected = int(base) >> shift == int(caller) >> shift

    listed = [str(parse_network(block))]
    assert address_allowed(parse_address(str(caller)), listed) is expected
    assert address_allowed(parse_address(f"::ffff:{caller}"), listed) is expected


@given(st.ip_addresses(v=6), st.integers(0, 128), st.ip_addresses(v=6))
def test_v6_block_holds_exactly_the_addresses_with_its_prefix(
    base: ipaddress.IPv6Address, bits: int, caller: ipaddress.IPv6Address
) -> None:
    """Mapped addresses belong to IPv4 and to no block of IPv6."""
    block = ipaddress.ip_network((int(base), bits), strict=False)
    canonical = parse_network(str(block))
    shift = 128 - bits
    expected = int(base) >> shift == int(caller) >> shift and caller.ipv4_mapped is None

    if isinstance(canonical, ipaddress.IPv6Network):
        assert address_allowed(parse_address(str(caller)), [str(canonical)]) is expected


@given(st.text(max_size=40))
def test_any_text_is_a_network_or_refused(text: str) -> None:
    """No other exception gets out, and what is accepted stays the same when read again."""
    try:
        network = parse_network(text)
    except FieldInvalidError:
        return
    assert parse_network(str(network)) == network


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("HTTPS://APP.example.COM", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://app.example.com:80", "http://app.example.com"),
        ("http://app.example.com:443", "http://app.example.com:443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)
def test_origin_has_one_spelling(text: str, canonical: str) -> None:
    """Default ports and letter case don't matter, as in browsers."""
    assert parse_origin(text) == canonical


@pytest.mark.parametrize(
    "text",
    ["", "null", "*", "https://*", "https://*.example.com", "example.com", "//example.com",
     "https://", "https:///", "https://example.com/", "https://example.com/path",
     "https://example.com?x", "https://example.com#x", "https://user@example.com",
     "https://user:pw@example.com", "https://example.com:0", "https://example.com:65536",
     "https://example.com:", "https://example.com:x", "https://exa mple.com", "https://.example.com",
     "https://example..com", "https://example.com.", "https://-x.com", "ftp://example.com",
     "javascript:alert(1)", "file://x", "chrome-extension://abcdef", "https://example.com\\@evil.com",
     "https://b\u00fccher.example", "https://example.com\n", "https://[::1", "https://[zz]",
     "https://1.2.3", "https://0x7f000001", "https://2130706433", "https://example.com,https://x.de",
     "https://" + "a" * 300 + ".com"],
)  # fmt: skip
def test_what_is_no_origin_is_refused(text: str) -> None:
    """Nothing that a browser would not send as `Origin` is stored."""
    with pytest.raises(FieldInvalidError) as refused:
        parse_origin(text)

    assert refused.value.errors[0][0] == "origin"


LISTED = ("https://app.example.com", "http://localhost:3000")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://app.example.com", True),
        ("https://app.example.com:443", True),
        ("https://APP.EXAMPLE.COM", True),
        ("http://localhost:3000", True),
        (None, False),
        ("", False),
        ("null", False),
        ("http://app.example.com", False),
        ("https://app.example.com:8443", False),
        ("https://example.com", False),
        ("https://evil-app.example.com", False),
        ("https://evilapp.example.com", False),
        ("https://app.example.com.evil.com", False),
        ("https://app.example.comevil.com", False),
        ("https://app.example.com@evil.com", False),
        ("https://evil.com/https://app.example.com", False),
        ("https://evil.com#https://app.example.com", False),
        ("https://sub.app.example.com", False),
        ("https://app-example.com", False),
        ("http://localhost", False),
        ("http://localhost:30000", False),
        ("http://127.0.0.1:3000", False),
        ("https://app.example.com https://evil.com", False),
    ],
)
def test_origin_table(origin: str | None, allowed: bool) -> None:  # noqa: FBT001
    """Exact origins pass; look-alikes, `null` and no origin at all don't."""
    assert origin_allowed(origin, LISTED) is allowed
    assert origin_allowed(origin, ()) is True


@given(st.text(max_size=60))
def test_any_text_is_an_origin_or_refused(text: str) -> None:
    """What is accepted is canonical already the second time, and is never a listed look-alike."""
    try:
        canonical = parse_origin(text)
    except FieldInvalidError:
        assert not origin_allowed(text, LISTED)
        return
    assert parse_origin(canonical) == canonical
    assert origin_allowed(text, LISTED) is (canonical in LISTED)


@given(
    st.from_regex(r"[a-z0-9.@:/#?\\-]{0,12}", fullmatch=True),
    st.from_regex(r"[a-z0-9.@:/#?\\-]{0,12}", fullmatch=True),
)
def test_nothing_put_around_a_listed_origin_passes(before: str, after: str) -> None:
    """Prefixes and suffixes make another origin, or none."""
    text = f"{before}https://app.example.com{after}"
    harmless = before == "" and after in {"", ":443"}

    assert origin_allowed(text, LISTED) is (harmless or text in LISTED)
