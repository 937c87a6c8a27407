"""Which addresses and web origins may use a key.

Networks are CIDR blocks (RFC 4632, RFC 4291); an IPv4-mapped IPv6 address is its IPv4 address,
for that is who calls. Origins are compared as browsers do it: scheme, host and port (RFC 6454),
never as text, so that `https://good.example.evil` is not `https://good.example`.
"""

import ipaddress
import re
from collections.abc import Iterable

from caas.auth.errors import FieldInvalidError

ENTRIES_MAX = 100
ORIGIN_MAX_CHARS = 300
DEFAULT_PORTS = {"http": 80, "https": 443}
MAPPED_PREFIX_BITS = 96
PORT_MAX = 65535

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[^/?#@\\\s:\[\]]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?",
    re.IGNORECASE,
)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|\d+)\.?")


def parse_address(text: str, *, path: str = "ip_address") -> Address:
    """Return the address, an IPv4-mapped one as IPv4.

    Raises:
        FieldInvalidError: It is no address, or carries a zone.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise FieldInvalidError(path, "not an IP address") from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise FieldInvalidError(path, "an address with a zone means nothing elsewhere")
        return address.ipv4_mapped or address
    return address


def parse_network(text: str, *, path: str = "ip") -> Network:
    """Return the network that an address or CIDR block names; a mapped one as IPv4.

    Raises:
        FieldInvalidError: It is neither, or has bits set beyond its prefix.
    """
    if "%" in text or text.count("/") > 1:
        raise FieldInvalidError(path, "not an IP address or CIDR block")
    _, slash, prefix = text.partition("/")
    if slash and not (prefix.isascii() and prefix.isdigit()):
        raise FieldInvalidError(path, "the prefix must be a number of bits")
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        wrong = (
            "has host bits set" if "host bits" in str(error) else "not an IP address or CIDR block"
        )
        raise FieldInvalidError(path, wrong) from None
    mapped = (
        network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    )
    if mapped is not None and network.prefixlen >= MAPPED_PREFIX_BITS:
        return ipaddress.ip_network((mapped, network.prefixlen - MAPPED_PREFIX_BITS))
    return network


def address_allowed(address: Address, networks: Iterable[str]) -> bool:
    """Tell whether *address* lies in one of *networks*; no networks allow all."""
    listed = [ipaddress.ip_network(network) for network in networks]
    return not listed or any(address in network for network in listed)


def parse_origin(text: str, *, path: str = "origin") -> str:
    """Return the origin in its one canonical spelling: `https://host[:port]`.

    Raises:
        FieldInvalidError: It is `null`, has user information, a path or a wildcard, or is not
            an http(s) origin at all.
    """
    found = _ORIGIN.fullmatch(text) if len(text) <= ORIGIN_MAX_CHARS and text.isascii() else None
    if found is None:
        raise FieldInvalidError(path, "not a web origin such as https://app.example.com")
    scheme = found["scheme"].lower()
    host = _canonical_host(found["host"].lower(), path)
    port = int(found["port"]) if found["port"] else DEFAULT_PORTS[scheme]
    if not 0 < port <= PORT_MAX:
        raise FieldInvalidError(path, "no such port")
    return f"{scheme}://{host}" if port == DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"


def _canonical_host(host: str, path: str) -> str:
    """Return a name, or an address in its one spelling."""
    try:
        if host.startswith("["):
            return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
        if _NUMERIC.fullmatch(host.removesuffix(".").rpartition(".")[2]):
            return str(ipaddress.IPv4Address(host))  # a browser reads a numeric end as IPv4
    except ValueError:
        raise FieldInvalidError(path, "not an IP address") from None
    if not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise FieldInvalidError(path, "not a host name")
    return host


def origin_allowed(origin: str | None, origins: tuple[str, ...]) -> bool:
    """Tell whether a caller from *origin* may pass; no origins allow all.

    With entries, a caller that names no origin, or none that can be read, is refused: a
    whitelist that is skipped by leaving a header out protects nothing.
    """
    if not origins:
        return True
    if origin is None:
        return False
    try:
        return parse_origin(origin) in origins
    except FieldInvalidError:
        return False
