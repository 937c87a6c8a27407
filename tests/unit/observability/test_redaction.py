"""Secrets by name, by shape and by value; text without secrets stays as it is."""

import base64
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from caas_observability.redaction import (
    REDACTED,
    Redactor,
    is_secret_name,
    redact_body,
    redact_headers,
    redact_json,
    redact_text,
    redact_url,
)

SECRET_NAMES = [
    "password", "newPassword", "api_key", "apiKey", "X-Api-Key", "x-service-secret",
    "authorization", "Cookie", "Set-Cookie", "access_token", "refreshToken", "client_secret",
    "app_secret", "token", "CAAS_KEY_PEPPER", "privateKey", "user[password]",
    "http.request.header.authorization",
]  # fmt: skip
PLAIN_NAMES = [
    "name", "key", "key_prefix", "token_type", "session_id", "tokens_used", "status", "socket",
    "broken", "spin", "api_keys", "x-correlation-id", "traceparent", "passage", "secretary",
]  # fmt: skip

# Letters only, so that no shape gives it away: it must be found by its name.
canaries = st.text("abcdefghijklmnopqrstuvwxyz", min_size=8, max_size=24).map("canary".__add__)
# What a canary may be embedded in: whatever an encoder can be asked to escape.
odd_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
secret_names = st.sampled_from(SECRET_NAMES)
plain_names = st.sampled_from(PLAIN_NAMES)
plain_scalars = st.none() | st.booleans() | st.integers(-99, 99) | st.sampled_from(["", "a b", "ü"])


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_secret_name_is_known_in_every_spelling(name: str) -> None:
    """Headers, snake_case, camelCase, environment variables and attributes."""
    assert is_secret_name(name)


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_an_ordinary_name_is_not_a_secret(name: str) -> None:
    """A report without evidence helps nobody."""
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Authorization: Bearer abc", "Authorization: Bearer [redacted]"),
        ("authorization: abc def\r\nHost: x", "authorization: [redacted]\r\nHost: x"),
        ("Cookie: a=1; b=2\r\n\r\n{}", "Cookie: [redacted]\r\n\r\n{}"),
        ('{"password": "a\\"b", "k": 1}', '{"password": "[redacted]", "k": 1}'),
        ('{"password":123,"k":1}', '{"password":"[redacted]","k":1}'),
        ('{"token": null, "password": true}', '{"token": null, "password": true}'),
        ('{"token": {"a": ["}", 1]}, "k": 1}', '{"token": "[redacted]", "k": 1}'),
        (r'{"b":"{\"pwd\":\"abc\",\"k\":1}"}', r'{"b":"{\"pwd\":\"[redacted]\",\"k\":1}"}'),
        ("{'password': 'it\\'s', 'k': 1}", "{'password': '[redacted]', 'k': 1}"),
        ("/x?token=abc&page=2", "/x?token=[redacted]&page=2"),
        ("/x?api%5Fkey=abc#top", "/x?api%5Fkey=[redacted]#top"),
        ("user%5Bpassword%5D=abc&a=b", "user%5Bpassword%5D=[redacted]&a=b"),
        ("mongodb://root:pa%40ss@db:27017/x", "mongodb://[redacted]@db:27017/x"),
        ("redis://:secret@cache/0", "redis://[redacted]@cache/0"),
        ("key caas_prod_" + "0a" * 32, "key [redacted]"),
        ("at eyJhbGciOiJFZERTQSJ9.eyJqdGkiOjF9.c2ln-_x now", "at [redacted] now"),
        ("saw Bearer abc123def456 once", "saw Bearer [redacted] once"),
        ("password=", "password="),
        ("needs apikey:read, not x", "needs apikey:read, not x"),
        ('["apikey:read", "apikey:write"]', '["apikey:read", "apikey:write"]'),
        ("apikey:reading-secret", "apikey:[redacted]"),
        ("apikey: read", "apikey: [redacted]"),
        ("password:read", "password:[redacted]"),
        ("POST /v1/auth/sdk/token: expected 201, got 401",) * 2,
        ('{"POST /v1/auth/sdk/token": 401}',) * 2,
        ("POST /v1/auth/sdk/token?token=abc: no", "POST /v1/auth/sdk/token?token=[redacted] no"),
        ("/v1/auth/sdk/token: abcdefgh", "/v1/auth/sdk/token: [redacted]"),
        ("POST /v1/x\r\ntoken: abc", "POST /v1/x\r\ntoken: [redacted]"),
    ],
)  # fmt: skip
def test_text_is_redacted_by_name_and_shape(text: str, redacted: str) -> None:
    """One row for each way a secret is written; a second pass changes nothing."""
    assert redact_text(text) == redacted
    assert redact_text(redacted) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "Basic authentication required",
        'WWW-Authenticate: Bearer realm="caas", error="invalid_token"',
        "http://127.0.0.1:3000/v1/ping?page=2",
        "caas_prod_ab12cd34",
        '{"error": "Invalid or expired token", "status": 401}',
        "2026-02-24T20:14:20.885Z",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "mongodb://db:27017/caas",
    ],
)
def test_evidence_stays_readable(text: str) -> None:
    """What looks alike and is no secret is kept to the byte."""
    assert redact_text(text) == text


def test_headers_keep_order_case_and_scheme() -> None:
    """A reader still sees which authentication was used."""
    headers = [("Authorization", "Bearer x"), ("X-Api-Key", "k"), ("Accept", "*/*"), ("Cookie", "")]

    assert redact_headers(headers) == [
        ("Authorization", "Bearer [redacted]"),
        ("X-Api-Key", REDACTED),
        ("Accept", "*/*"),
        ("Cookie", ""),
    ]


def test_named_pairs_are_read_as_members() -> None:
    """HAR headers and OTLP attributes carry the name as a value."""
    assert redact_json([{"name": "authorization", "value": "x"}]) == [
        {"name": "authorization", "value": REDACTED}
    ]
    assert redact_json({"key": "http.route", "value": "x"}) == {"key": "http.route", "value": "x"}


def test_a_body_keeps_its_spelling_when_nothing_is_secret() -> None:
    """White space and number spelling are evidence too."""
    body = b'{ "a" : 1.0 }'

    assert redact_body(body) == body.decode()
    assert redact_body(b'{"p\\u0061ssword": "abc"}') == '{"password":"[redacted]"}'
    assert redact_body(b"\xff\xfe token=abc") == "\ufffd\ufffd token=[redacted]"


def place(draw: Any, canary: Any) -> Any:
    """Bury *canary* under a secret name somewhere in nested JSON."""
    value: Any = {draw(plain_names): draw(plain_scalars), draw(secret_names): canary}
    for _ in range(draw(st.integers(0, 5))):
        if draw(st.booleans()):
            value = [draw(plain_scalars), value]
        else:
            value = {"outer": value, draw(plain_names): draw(plain_scalars)}
    return value


@given(st.data(), canaries, odd_text, odd_text)
def test_no_canary_survives_in_json(
    data: st.DataObject, canary: str, before: str, after: str
) -> None:
    """Decoded, encoded, or encoded inside a string of another document."""
    secret = before + canary + after
    wrapped = data.draw(st.sampled_from([secret, [secret], {"inner": secret}]))
    document = place(data.draw, wrapped)
    text = msgspec.json.encode(document).decode()

    assert canary not in str(redact_json(document))
    assert canary not in redact_body(text.encode())
    assert canary not in redact_text(text)
    nested = msgspec.json.encode({"body": text}).decode()
    if not isinstance(wrapped, list | dict):
        assert canary not in redact_text(nested)
    assert canary not in str(redact_json({"body": text}))


@given(st.data(), canaries, odd_text)
def test_no_canary_survives_in_headers_urls_and_forms(
    data: st.DataObject, canary: str, extra: str
) -> None:
    """Each encoded as that carrier is."""
    name = data.draw(secret_names)
    line = quote(extra)
    assert canary not in str(redact_headers([("Accept", "*/*"), (name, line + canary)]))
    header_name = name.replace("[", "-").replace("]", "")
    assert canary not in redact_text(f"GET / HTTP/1.1\r\n{header_name}: {line} {canary}\r\n\r\n")
    query = urlencode({"page": 1, name: extra + canary, "size": 2})
    assert canary not in redact_url(f"http://host/path?{query}#fragment")
    assert canary not in redact_text(query)
    assert canary not in redact_url(f"mongodb://user:{quote(extra, safe='')}{canary}@host/db")


words = st.text("abcdefghijklm -_.,;!?()/äß€0123456789", max_size=30)


@given(words)
def test_text_without_secrets_is_unchanged(text: str) -> None:
    """Nothing to hide, nothing changed."""
    assert redact_text(text) == text


@given(
    st.recursive(
        plain_scalars | words,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain_names, inner, max_size=3),
        max_leaves=8,
    )
)
def test_json_without_secrets_is_unchanged(value: Any) -> None:
    """The same document comes back."""
    assert redact_json(value) == value


@given(st.data(), canaries)
def test_redacting_twice_is_redacting_once(data: st.DataObject, canary: str) -> None:
    """Services redact, and the runner redacts again."""
    document = place(data.draw, canary)
    once = redact_json(document)
    text = redact_text(msgspec.json.encode(document).decode())

    assert redact_json(once) == once
    assert redact_text(text) == text


@given(st.text(":=\"'\\ {}[],&?\n%abcdkeysortpw-", max_size=60))
def test_hostile_text_is_redacted_stably(text: str) -> None:
    """Whatever a client sends: no exception, and a second pass changes nothing."""
    once = redact_text("password" + text)

    assert redact_text(once) == once


literals = st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=30).filter(
    lambda s: len(s.strip()) >= 8
)


@given(literals, st.binary(max_size=7), st.binary(max_size=7))
def test_a_known_secret_survives_in_no_encoding(secret: str, before: bytes, after: bytes) -> None:
    """Under an innocent name, as it is, escaped, in hex and at any offset in base64."""
    assume(not set(secret) <= set(REDACTED))
    redactor = Redactor([secret])
    raw = secret.encode()
    spellings = [
        secret,
        quote(secret),
        quote(secret, safe=""),
        msgspec.json.encode(secret).decode()[1:-1],
        raw.hex(),
    ]
    for spelling in spellings:
        assert spelling not in redactor.text(f"note {spelling} end")
    assert secret not in str(redactor.json({"note": [secret], secret: 1}))
    assert raw not in redactor.raw(before + raw + after)

    for mixed in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = mixed(before + raw + after).decode()
        assert redactor.text(f"note {encoded}") != f"note {encoded}"


def test_short_literals_are_not_known_secrets() -> None:
    """A secret of `a` would redact every word."""
    redactor = Redactor(["abc"])
    redactor.add("longer-secret")

    assert redactor.text("abc longer-secret") == f"abc {REDACTED}"
    assert redactor.url("http://h/longer-secret") == f"http://h/{REDACTED}"


def test_deep_json_is_replaced_rather_than_followed() -> None:
    """Recursion is bounded."""
    value: Any = "x"
    for _ in range(500):
        value = [value]

    assert REDACTED in str(redact_json(value))
