"""Addresses as typed: what can't be one is said before anything is started."""

import ipaddress
import re
import socket
from urllib.parse import SplitResult, urlsplit

from caas_conformance.errors import AddressError
from caas_conformance.wire.credentials import masked, parted

PORT_MAX = 65_535
PORT_DIGITS_MAX = 5
_SERVICE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?")


def service_url(pair: str) -> tuple[str, str]:
    """Take `service=URL` apart.

    Raises:
        AddressError: it is none; the message holds no password.
    """
    name, _, url = pair.partition("=")
    try:
        _check_name(name)
        _check_url(url)
    except AddressError as error:
        # What is wrong may be a piece of a password that is not encoded.
        stray = "@" in parted(url)[0]
        reason = "what is special in a password is percent-encoded" if stray else str(error)
        told = masked(pair)
        raise AddressError(
            f"--url takes service=http://host:port, not {told!r}: {reason}"
        ) from None
    return name, url


def listening(given: str) -> tuple[str, int]:
    """Take `HOST:PORT` apart; without a host it is this machine alone, port 0 is any free one.

    Raises:
        AddressError: it is none, or the host is no name that is known here.
    """
    host, _, port = given.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    try:
        number = _port(port if ":" in given else "")
        _check_host(host)
        socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)
    except AddressError as error:
        raise AddressError(f"--otlp-listen takes HOST:PORT, not {given!r}: {error}") from None
    except OSError as error:
        told = f"no such host: {error.strerror}"
        raise AddressError(f"--otlp-listen takes HOST:PORT, not {given!r}: {told}") from error
    return host, number


def _check_name(name: str) -> None:
    if not _SERVICE.fullmatch(name):
        raise AddressError("a service has a name of letters, digits, `.`, `_` and `-`")


def _check_url(url: str) -> None:
    if re.search(r"[\x00-\x20\x7f]", url):
        raise AddressError("there is a space or a control character in it")
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AddressError("it begins with http:// or https:// and a host")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise AddressError("it ends with a path, if any")
    _check_host(parts.hostname)
    port = parts.netloc.rpartition("@")[2].rpartition("]")[2].partition(":")
    if port[1] and _port(port[2]) == 0:
        raise AddressError("nothing can be reached at port 0")


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise AddressError(str(error)) from None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= PORT_DIGITS_MAX):
        raise AddressError(f"{text[:20]!r} is no port")
    if int(text) > PORT_MAX:
        raise AddressError(f"ports end at {PORT_MAX}")
    return int(text)


def _check_host(host: str) -> None:
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise AddressError(f"{host!r} is no IPv6 address") from None
        return
    try:
        labels = host.encode("idna").decode().removesuffix(".").split(".")
    except UnicodeError:
        labels = [""]
    if not all(_HOST.fullmatch(label) for label in labels):
        raise AddressError(f"{host!r} is no host's name")
    if _ENDS_IN_A_NUMBER.fullmatch(host):
        try:
            socket.inet_aton(host)
        except OSError:
            raise AddressError(f"{host!r} is no IPv4 address") from None
