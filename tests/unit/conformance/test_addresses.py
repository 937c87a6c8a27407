"""What is typed as an address or a name is one, or is refused in one line."""

import pytest

from caas_conformance.engine import addresses
from caas_conformance.errors import AddressError, TargetError


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:3000", "https://gw.example", "http://[::1]:3000", "http://host-1:80/",
        "https://münchen.example/base", "http://xn--mnchen-3ya.example", "http://a_b.local:65535/x",
        "http://user:password@host:1", "http://user@[fe80::1%25eth0]:1".replace("%25eth0", ""),
        "HTTP://Host.", "http://127.1",
    ],
)  # fmt: skip
def test_good_urls_are_taken_as_they_are(url: str) -> None:
    """With a name in front."""
    assert addresses.service_url(f"auth-service={url}") == ("auth-service", url)


@pytest.mark.parametrize(
    "pair",
    [
        "", "x", "=http://a", "a=", "a=nonsense", "a=ftp://b", "a=http://", "a=http://:80",
        "a=http://b:99999", "a=http://b:65536", "a=http://b:0", "a=http://b:-1", "a=http://b:x",
        "a=http://b:", "a=http://b:80:80", "a=http://b c", "a=http://b/c d", "a=http://b\r\nX: y",
        "a=http://b\x00", "a=http://[::1", "a=http://[::zz]", "a=http://::1", "a=http://a..b",
        f"a=http://{'x' * 70}.example", "a=http://-b", "a=http://b!c", "a=http://256.1.1.1",
        "a=http://1.2.3.4.5", "a=http://b?x=1", "a=http://b#x", "a=http://b:٣",
        "a=http://b:" + "9" * 5000, "a b=http://c", "a\n=http://c", "a/b=http://c",
        "a=http://\u202eb", "a=//b", "a=b:80", "-a=http://c",
    ],
)  # fmt: skip
def test_what_is_no_service_and_url_is_refused(pair: str) -> None:
    """In one line that says how one looks."""
    with pytest.raises(AddressError, match="--url takes service=http://host:port") as caught:
        addresses.service_url(pair)

    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, TargetError)


def test_a_password_is_not_told() -> None:
    """Not even of what is refused."""
    with pytest.raises(AddressError) as caught:
        addresses.service_url("a=http://me:hunter22@b:99999")

    assert "hunter22" not in str(caught.value)
    assert "ports end at 65535" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("127.0.0.1:4318", ("127.0.0.1", 4318)),
        ("0.0.0.0:65535", ("0.0.0.0", 65535)),  # noqa: S104
        ("[::1]:0", ("::1", 0)),
        ("::1:4318", ("::1", 4318)),
        (":4318", ("127.0.0.1", 4318)),
        ("localhost:4318", ("localhost", 4318)),
    ],
)
def test_good_places_to_listen(given: str, found: tuple[str, int]) -> None:
    """Names, both kinds of addresses, and any free port."""
    assert addresses.listening(given) == found


@pytest.mark.parametrize(
    "given",
    [
        "", "x", "4318", "localhost", "0.0.0.0:99999", "0.0.0.0:65536", "0.0.0.0:", "0.0.0.0:-1",
        "0.0.0.0:http", "0.0.0.0:²", "a b:1", "256.0.0.1:1", "[::zz]:1", "no-such-host.invalid:1",
        f"{'x' * 70}:1", "a..b:1", "a\x00b:1", "http://0.0.0.0:4318", "0.0.0.0:4318/v1",
    ],
)  # fmt: skip
def test_what_is_no_place_to_listen_is_refused(given: str) -> None:
    """Before anything is started."""
    with pytest.raises(AddressError, match="--otlp-listen takes HOST:PORT") as caught:
        addresses.listening(given)

    assert "\n" not in str(caught.value)
