"""Who is calling, and how: the connection's peer, or the client that a trusted proxy names."""

import hmac
import ipaddress
from collections.abc import Iterable
from functools import lru_cache

ADDRESS_CACHE_MAX = 4_096
FORWARDED_MAX_HOPS = 32
IPV6_SITE_BITS = 64  # the smallest network that one customer is given (RFC 6177)

_SCHEMES = {b"http": "http", b"https": "https"}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LOOPBACK: tuple[Network, ...] = (
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("::1/128"),
)


@lru_cache(ADDRESS_CACHE_MAX)
def parse_address(text: str) -> Address | None:
    """Read an address; an IPv4 one mapped into IPv6 becomes IPv4, anything else None."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address


def is_loopback(text: str) -> bool:
    """Tell whether *text* is an address of this machine's loopback interface."""
    address = parse_address(text)
    return address is not None and address.is_loopback


def names_loopback(host: bytes) -> bool:
    """Tell whether a `Host` header names this machine itself, with or without a port.

    A browser that a foreign name was resolved to loopback for (DNS rebinding) says the name.
    """
    text = host.decode("latin-1").lower()
    name = text if text.endswith("]") else text.rpartition(":")[0] or text
    if name.startswith("[") and name.endswith("]"):
        return is_loopback(name[1:-1])
    return name == "localhost" or (":" not in name and is_loopback(name))


@lru_cache(ADDRESS_CACHE_MAX)
def site_of(text: str) -> str:
    """Return what one caller holds one of, for limits: an IPv4 address or an IPv6 /64.

    Whoever has one address of a /64 has 2^64 of them. What is no address stays as it is.
    """
    address = parse_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), IPV6_SITE_BITS), strict=False))
    return text if address is None else str(address)


class PeerTrust:
    """Whose `x-forwarded-for` and `x-forwarded-proto` are believed.

    A peer in one of the networks is; so is a loopback peer that shows the service secret, which
    is how services of one platform tell each other the client's address.
    """

    __slots__ = ("_networks", "_secret")

    def __init__(self, networks: Iterable[str], service_secret: str) -> None:
        self._networks: tuple[Network, ...] = tuple(ipaddress.ip_network(n) for n in networks)
        self._secret = service_secret.encode()

    def shows_secret(self, fields: dict[bytes, bytes]) -> bool:
        """Tell, in constant time, whether the request carries the service secret."""
        shown = fields.get(b"x-service-secret")
        return shown is not None and hmac.compare_digest(shown, self._secret)

    def client_ip(
        self, peer: str, headers: list[tuple[bytes, bytes]], fields: dict[bytes, bytes]
    ) -> str:
        """Return the rightmost forwarded address that is no trusted proxy; else the peer."""
        if b"x-forwarded-for" not in fields:
            return _plain(peer)
        networks = self._believed(peer, fields)
        if not _inside(peer, networks):
            return _plain(peer)
        chain = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        client = peer
        for part in reversed(chain.decode("latin-1").split(",")[-FORWARDED_MAX_HOPS:]):
            if parse_address(part) is None:
                break
            client = part
            if not _inside(part, networks):
                break
        return _plain(client)

    def client_scheme(self, peer: str, scheme: str, fields: dict[bytes, bytes]) -> str:
        """Return what the client spoke to the outermost trusted proxy; else *scheme*."""
        told = fields.get(b"x-forwarded-proto")
        if told is None or not _inside(peer, self._believed(peer, fields)):
            return scheme
        return _SCHEMES.get(told.partition(b",")[0].strip().lower(), scheme)

    def _believed(self, peer: str, fields: dict[bytes, bytes]) -> tuple[Network, ...]:
        """Return whose word on the client is taken when *peer* passes it on."""
        if is_loopback(peer) and self.shows_secret(fields):
            return (*self._networks, *LOOPBACK)
        return self._networks


def _plain(text: str) -> str:
    address = parse_address(text)
    return text if address is None else str(address)


def _inside(text: str, networks: tuple[Network, ...]) -> bool:
    address = parse_address(text)
    return address is not None and any(address in network for network in networks)
