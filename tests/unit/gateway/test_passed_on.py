"""The table of passed-on operations: what it finds, and what it says."""

from typing import Any

import pytest

from caas.gateway.operations.table import OperationTable
from caas.gateway.routes.headers import downstream_headers, upstream_headers
from caas.gateway.routes.openapi import passed_on
from caas.runtime.http.fast import FastRequest
from caas.runtime.identity.peers import PeerTrust
from caas_observability.setup.tracing import start_server_span

TABLE = OperationTable()
PEER = "203.0.113.9"
PROXY = "203.0.113.7"
Headers = list[tuple[bytes, bytes]]


@pytest.mark.parametrize(
    ("method", "path", "upstream"),
    [
        ("GET", "/v1/sessions", "/api/v1/sessions"),
        ("GET", "/v1/sessions/", "/api/v1/sessions"),
        ("GET", "/v1/sessions/abc", "/api/v1/sessions/{session_id}"),
        ("DELETE", "/v1/sessions/abc", "/api/v1/sessions/{session_id}"),
        ("DELETE", "/v1/sessions/all", "/api/v1/sessions/all"),
        ("DELETE", "/v1/sessions/others/", "/api/v1/sessions/others"),
        ("POST", "/v1/auth/logout", "/api/v1/auth/sdk/logout"),
    ],
)
def test_found(method: str, path: str, upstream: str) -> None:
    """A fixed path wins over a parameter; a trailing slash makes no difference."""
    found = TABLE.find(path, method)

    assert found is not None
    assert found.upstream == upstream


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/sessions"),
        ("GET", "/v1/sessions/a/b"),
        ("GET", "/v1/sessions/all"),
        ("GET", "/v1/sessions/others/"),
        ("GET", "/v1/sdk/session"),
        ("POST", "/v1/client/api-keys/rotate"),
        ("POST", "/v1/client"),
        ("POST", "/v1/sdk/internal/validate"),
    ],
)
def test_not_found(method: str, path: str) -> None:
    """What is not in the table never reaches a service, however it is spelt."""
    assert TABLE.find(path, method) is None


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/sessions/all", {"DELETE"}),
        ("/v1/sessions/others/", {"DELETE"}),
        ("/v1/sessions/abc", {"GET", "DELETE"}),
        ("/v1/sessions", {"GET"}),
        ("/v1/nothing", set()),
    ],
)
def test_a_path_has_the_methods_that_the_document_gives_it(path: str, methods: set[str]) -> None:
    """A fixed path's methods are its own, whatever a parameter could match there."""
    assert set(TABLE.methods(path)) == methods


def test_every_operation_is_under_a_prefix() -> None:
    """The edge asks the proxy only below these."""
    for backend in TABLE.backends:
        assert backend.operations
        assert all(operation.path.startswith(backend.prefixes) for operation in backend.operations)


def test_no_two_operations_share_an_address() -> None:
    """Whichever came last would hide the other, in the table and in the document."""
    addresses = [(operation.method, operation.path) for operation in TABLE.operations]

    assert len(addresses) == len(set(addresses))


def test_no_internal_route_is_passed_on() -> None:
    """The service secret goes along; what it opens must not be reachable from outside."""
    assert not [o.upstream for o in TABLE.operations if "internal" in o.upstream]


def test_the_document_names_every_operation_and_its_bodies() -> None:
    """All references resolve; a parameter has its 404, a credential its 401."""
    document = passed_on()
    schemas = document["components"]["schemas"]
    for operation in TABLE.operations:
        described = document["paths"][operation.path][operation.method.lower()]
        assert ("401" in described["responses"]) >= (operation.credential is not None)
        assert ("404" in described["responses"]) == (operation.parameter is not None)
        assert ("requestBody" in described) == (operation.body is not None)
    for reference in _references(document):
        if reference.startswith("#/components/schemas/"):
            assert reference.rpartition("/")[2] in {*schemas, "Problem"}  # which is the runtime's


def request(headers: Headers, *, peer: str = PEER, scheme: str = "http") -> FastRequest:
    """Return a request as the edge makes it."""
    # Ended at once: an open span would be the current one of whatever test comes next.
    with start_server_span("GET", correlation_id="c") as span:
        scope = {
            "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"",
            "headers": headers, "client": (peer, 1), "scheme": scheme,
        }  # fmt: skip
        return FastRequest(scope, dict(headers), PeerTrust((f"{PROXY}/32",), "s" * 16), span)


STRIPPED = [
    (b"connection", b"keep-alive, x-secret-hop"),
    (b"x-secret-hop", b"1"),
    (b"keep-alive", b"timeout=5"),
    (b"proxy-authorization", b"Basic x"),
    (b"te", b"trailers"),
    (b"upgrade", b"h2c"),
    (b"transfer-encoding", b"chunked"),
    (b"content-length", b"5"),
    (b"expect", b"100-continue"),
    (b"forwarded", b"for=1.2.3.4"),
    (b"x-forwarded-for", b"1.2.3.4"),
    (b"x-forwarded-host", b"evil"),
    (b"x-forwarded-proto", b"gopher"),
    (b"x-real-ip", b"1.2.3.4"),
    (b"x-service-secret", b"guess"),
    (b"x-service-name", b"auth"),
    (b"x-caas-deadline-ms", b"600000"),
    (b"x-caas-internal", b"1"),
    (b"x-tenant-id", b"victim"),
    (b"x-tenant", b"victim"),
    (b"x-user-id", b"admin"),
    (b"x_user_id", b"admin"),
    (b"x-original-url", b"/internal"),
    (b"x-http-method-override", b"DELETE"),
    (b"cookie", b"a=b"),
    (b"traceparent", b"00-1"),
    (b"tracestate", b"a=b"),
    (b"x-correlation-id", b"c"),
    (b"authorization", b"Bearer t"),
    (b"x-api-key", b"k"),
]


@pytest.mark.parametrize("header", STRIPPED, ids=lambda header: header[0].decode())
def test_stripped_on_the_way_in(header: tuple[bytes, bytes]) -> None:
    """What the outside says about the platform's own affairs never gets in."""
    given = [(b"host", b"caas.example"), (b"accept", b"*/*"), *STRIPPED]
    sent = upstream_headers(request(given), None, b"ours")

    assert header not in sent
    assert (b"accept", b"*/*") in sent


def test_what_the_gateway_says_itself() -> None:
    """The client's address, and the secret that makes a service believe it."""
    given = [(b"host", b"caas.example"), (b"authorization", b"Bearer t"), (b"x-api-key", b"k")]
    sent = upstream_headers(request(given), b"x-api-key", b"ours")

    assert sorted(sent) == [
        (b"x-api-key", b"k"),
        (b"x-forwarded-for", b"203.0.113.9"),
        (b"x-forwarded-host", b"caas.example"),
        (b"x-forwarded-proto", b"http"),
        (b"x-service-secret", b"ours"),
    ]


@pytest.mark.parametrize(
    ("peer", "scheme", "said", "proto"),
    [
        pytest.param(PEER, "http", None, b"http", id="plain"),
        pytest.param(PEER, "https", None, b"https", id="TLS here"),
        pytest.param(PEER, "http", b"https", b"http", id="a stranger says so"),
        pytest.param(PROXY, "http", b"https", b"https", id="TLS at the proxy"),
        pytest.param(PROXY, "http", b"HTTPS, http", b"https", id="at the outer of two"),
        pytest.param(PROXY, "http", b"gopher", b"http", id="nonsense"),
    ],
)
def test_services_learn_what_the_client_speaks(
    peer: str, scheme: str, said: bytes | None, proto: bytes
) -> None:
    """The connection's scheme, or a trusted proxy's word; nobody else's."""
    given = [] if said is None else [(b"x-forwarded-proto", said)]
    sent = dict(upstream_headers(request(given, peer=peer, scheme=scheme), None, b"ours"))

    assert sent[b"x-forwarded-proto"] == proto


def test_stripped_on_the_way_out() -> None:
    """What services tell each other, and what the edge writes itself, stays inside."""
    ours = [(b"content-type", b"application/json"), (b"location", b"/v1/x"), (b"etag", b'"1"')]
    theirs = [
        (b"connection", b"close, x-hop"),
        (b"x-hop", b"1"),
        (b"server", b"granian"),
        (b"x-caas-node", b"auth-3"),
        (b"x-service-version", b"1"),
        (b"x-ratelimit-limit", b"5"),
        (b"strict-transport-security", b"max-age=0"),
        (b"transfer-encoding", b"chunked"),
        (b"content-length", b"5"),
    ]

    assert downstream_headers([*theirs, *ours]) == ours


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [r for v in value.values() for r in _references(v)]
    return [r for v in value for r in _references(v)] if isinstance(value, list) else []
