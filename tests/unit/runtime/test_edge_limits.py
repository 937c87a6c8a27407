"""The edge's rules as properties."""

import uuid
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caas.runtime.http.edge import limits
from caas.runtime.http.edge.correlation import CORRELATION_CHARS, CorrelationIds
from caas.runtime.http.edge.headers import EDGE_OWNED, SECURITY_HEADERS, merge
from caas.runtime.http.edge.limits import DEADLINE_MAX_MS, parse_deadline
from caas.runtime.http.problems import RefusalError
from caas.runtime.identity.peers import PeerTrust

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\"), min_size=1)
SEGMENTS = TEXT.filter(lambda text: text not in {".", ".."})


def refusal(check: Any, *args: Any) -> int:
    """Return the status a check refuses with; 0 when it doesn't."""
    try:
        check(*args)
    except RefusalError as error:
        return error.status
    return 0


@given(st.lists(SEGMENTS, min_size=1), st.booleans())
def test_every_plain_path_passes(segments: list[str], slash: bool) -> None:  # noqa: FBT001
    """Whatever people call their things, percent-encoded."""
    path = "".join("/" + quote(segment, safe="") for segment in segments) + "/" * slash

    assert refusal(limits.check_path, path.encode()) == 0


@given(st.binary(max_size=40).map(lambda raw: b"/" + raw))
def test_a_path_that_passes_means_one_thing(raw: bytes) -> None:
    """It is UTF-8 without controls, and decoding moves no segment border."""
    if refusal(limits.check_path, raw):
        return

    text = unquote_to_bytes(raw).decode("utf-8")
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in text)
    assert text.count("/") == raw.count(b"/")
    assert not {".", ".."} & set(text.split("/"))
    assert "//" not in text


@given(st.integers(0, 31) | st.integers(127, 159), SEGMENTS)
def test_a_control_character_never_passes(code: int, rest: str) -> None:
    """In whatever company."""
    path = "/" + quote(rest + chr(code), safe="")

    assert refusal(limits.check_path, path.encode()) == 400


@given(st.dictionaries(TEXT, st.text(st.characters(exclude_categories=["Cs"])), max_size=20))
def test_distinct_parameters_pass(parameters: dict[str, str]) -> None:
    """In any language."""
    query = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in parameters.items())
    if query:
        assert refusal(limits.check_query, query.encode(), ()) == 0


@given(TEXT, st.text(st.characters(exclude_categories=["Cs"])))
def test_a_repeated_parameter_needs_a_licence(name: str, value: str) -> None:
    """However it is spelled."""
    plain = quote(name, safe="")
    escaped = "".join(f"%{byte:02x}" for byte in name.encode())
    query = f"{plain}={quote(value, safe='')}&{escaped}=1".encode()

    assert refusal(limits.check_query, query, ()) == 400
    assert refusal(limits.check_query, query, {name}) == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text('ab[]{}"\\'), inner),
    max_leaves=20,
)


@given(JSON)
def test_every_shallow_document_passes(value: Any) -> None:
    """Brackets in strings count for nothing."""
    assert refusal(limits.check_json_text, msgspec.json.encode([value, "[" * 100])) == 0


@given(st.integers(1, 200), st.booleans())
def test_depth_is_counted_exactly(depth: int, objects: bool) -> None:  # noqa: FBT001
    """64 levels pass, 65 don't."""
    opening, closing = (b'{"a":', b"}") if objects else (b"[", b"]")
    body = opening * depth + b"1" + closing * depth
    wanted = 400 if depth > limits.JSON_DEPTH_MAX else 0

    assert refusal(limits.check_json_text, body) == wanted


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'"' + b'\\"' * 500_000 + b"[" * 65, id="open string of escaped quotes"),
        pytest.param(b"[]" * 500_000, id="wide"),
        pytest.param(b'["' * 500_000, id="alternating"),
        pytest.param(b"[" * 65 + b'"' + b"\\" * 999_999, id="backslashes"),
    ],
)
def test_a_hostile_body_is_judged(body: bytes) -> None:
    """No input makes the scan quadratic: these would run for hours."""
    assert refusal(limits.check_json_text, body) in {0, 400}


@given(st.binary(max_size=200))
def test_a_correlation_id_is_accepted_only_when_plain(sent: bytes) -> None:
    """What comes back is always safe to log and to send."""
    plain = 1 <= len(sent) <= 128 and set(sent) <= set(CORRELATION_CHARS)

    assert CorrelationIds().accept(sent) == (sent.decode() if plain else "")


def test_fresh_correlation_ids_are_distinct_uuids() -> None:
    """Within a process and between two."""
    first, second = CorrelationIds(), CorrelationIds()
    made = {ids.fresh() for _ in range(1000) for ids in (first, second)}

    assert len(made) == 2000
    assert all(uuid.UUID(text).version == 4 and str(uuid.UUID(text)) == text for text in made)


@given(
    st.lists(st.tuples(st.sampled_from([*sorted(EDGE_OWNED), b"etag", b"set-cookie"]), st.binary()))
)
def test_the_edges_headers_occur_once(own: list[tuple[bytes, bytes]]) -> None:
    """Whatever a handler or an upstream sends."""
    base = [(b"x-correlation-id", b"mine")]

    merged = merge(base, own)

    names = [name for name, _ in merged]
    assert dict(merged)[b"x-correlation-id"] == b"mine"
    assert all(name in names for name, _ in SECURITY_HEADERS)
    assert names.count(b"x-frame-options") == 1
    assert names.count(b"set-cookie") == [name for name, _ in own].count(b"set-cookie")


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"abc", b"9" * 20, "\uff11".encode()])
def test_a_bad_deadline_is_refused(value: bytes) -> None:
    """A whole number of milliseconds."""
    assert refusal(parse_deadline, value) == 400


def test_a_long_deadline_is_cut() -> None:
    """Nobody waits longer than the limit."""
    assert parse_deadline(b"999999") - parse_deadline(b"0") == pytest.approx(
        DEADLINE_MAX_MS / 1000, abs=1
    )


SECRET_FIELDS = {b"x-service-secret": b"s" * 20}


@pytest.mark.parametrize(
    ("peer", "networks", "forwarded", "secret", "ip"),
    [
        ("198.51.100.7", (), "1.2.3.4", False, "198.51.100.7"),
        ("198.51.100.7", (), "1.2.3.4", True, "198.51.100.7"),
        ("10.0.0.1", ("10.0.0.0/8",), "1.2.3.4", False, "1.2.3.4"),
        ("10.0.0.1", ("10.0.0.0/8",), "6.6.6.6, 1.2.3.4, 10.0.0.2", False, "1.2.3.4"),
        ("10.0.0.1", ("10.0.0.0/8",), "6.6.6.6, junk, 10.0.0.2", False, "10.0.0.2"),
        ("10.0.0.1", ("10.0.0.0/8",), "junk", False, "10.0.0.1"),
        ("10.0.0.1", ("10.0.0.0/8",), "", False, "10.0.0.1"),
        ("127.0.0.1", (), "1.2.3.4", True, "1.2.3.4"),
        ("127.0.0.1", (), "2001:db8::1", True, "2001:db8::1"),
        ("127.0.0.1", (), "::ffff:1.2.3.4", True, "1.2.3.4"),
        ("::ffff:10.0.0.1", ("10.0.0.0/8",), "1.2.3.4", False, "1.2.3.4"),
    ],
)
def test_who_the_client_is(
    peer: str,
    networks: tuple[str, ...],
    forwarded: str,
    secret: bool,  # noqa: FBT001
    ip: str,
) -> None:
    """Only a trusted hop's word counts, read from the right."""
    fields = {b"x-forwarded-for": forwarded.encode()} | (SECRET_FIELDS if secret else {})
    trust = PeerTrust(networks, "s" * 20)

    assert trust.client_ip(peer, list(fields.items()), fields) == ip
