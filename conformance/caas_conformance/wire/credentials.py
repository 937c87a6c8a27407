"""Credentials that stand in a URL: they are sent, and shown nowhere."""

import re
from base64 import b64encode
from urllib.parse import unquote

HIDDEN = "[redacted]"
# Greedy: a password that is not encoded may hold what would end it, even an @.
_USER_INFO = re.compile(r"(?<=://).*@", re.DOTALL)


def masked(text: str) -> str:
    """Return a URL, or what ends in one, without its user info."""
    return _USER_INFO.sub(f"{HIDDEN}@", text)


def parted(url: str) -> tuple[str, str]:
    """Take *url* apart into itself without its user info, and that."""
    scheme, sign, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    userinfo, at, host = authority.rpartition("@")
    return (f"{scheme}{sign}{host}{rest[len(authority) :]}", userinfo) if at else (url, "")


def basic(userinfo: str) -> tuple[str, frozenset[str]]:
    """Return the header that *userinfo* makes (RFC 7617), and what of it is secret."""
    if not userinfo:
        return "", frozenset()
    user, _, password = userinfo.partition(":")
    encoded = b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    secret = password or user
    return f"Basic {encoded}", frozenset({userinfo, secret, unquote(secret), encoded})


def variable(service: str) -> str:
    """Return the shell variable that stands for a service's credentials in a command."""
    return re.sub(r"[^A-Z0-9]", "_", service.upper()) + "_USERINFO"
