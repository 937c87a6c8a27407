"""X05, limits and framing: requests that are too big, or that are hardly requests at all."""

from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.phases.services.x05_http_rules import (
    BODY_OVER_LIMIT_BYTES,
    HEADER_OVER_LIMIT_BYTES,
    PHASE,
    ROUTES,
    TARGET_OVER_LIMIT_BYTES,
    derived_text,
    refusal,
    still_serves,
)

CHUNK_BYTES = 65_536
MALFORMED_BECAUSE = "a message that can't be parsed may be refused before it is understood"


def head(t: CaasContext, line: str, *headers: str, host: bool = True) -> bytes:
    """Return the head of a raw request that belongs to the case's trace."""
    parent = t.trace.traceparent(t.trace.root_span_id)
    lines = [line, *(["Host: conformance.example"] if host else []), f"traceparent: {parent}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1")


def _big_bodies(case_id: str, service: str) -> None:
    """Make the case that a body over the limit is a 413 at *service*."""

    @PHASE.case(
        case_id,
        f"The {service} refuses bodies over the limit",
        proves="A body that is too big is refused, announced or not, without being kept.",
        requirements=["HTTP-04"],
        baseline=[12],
        tags=[service, "negative", "limits"],
    )
    async def big_bodies(t: CaasContext) -> None:
        """Red when the whole body is read first, or the answer is a 5xx."""
        path = ROUTES[service]["public"]
        json_type = "Content-Type: application/json"
        announced = await t.raw(
            service,
            head(t, f"POST {path} HTTP/1.1", json_type, f"Content-Length: {2**31}"),
        )
        with t.check("announced", "refused on its announcement, before a byte of it") as check:
            refusal(check, announced, 413, code="body_too_large")
        body = b'{"company_name": "' + b"x" * BODY_OVER_LIMIT_BYTES + b'"}'
        sent = await t.service(service).post(path, body=body, headers=ops.JSON_HEADERS)
        with t.check("sent", "refused when it is sent") as check:
            refusal(check, sent, 413, code="body_too_large")
        chunks = [body[i : i + CHUNK_BYTES] for i in range(0, len(body), CHUNK_BYTES)]
        stream = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        streamed = await t.raw(
            service,
            head(t, f"POST {path} HTTP/1.1", json_type, "Transfer-Encoding: chunked")
            + stream
            + b"0\r\n\r\n",
        )
        with t.check("streamed", "refused when it comes in pieces of no announced sum") as check:
            refusal(check, streamed, 413, code="body_too_large")
        await still_serves(t, service)


_big_bodies("X05.10", "auth-service")
_big_bodies("X05.40", "gateway")


def _big_heads(case_id: str, service: str) -> None:
    """Make the case that heads over the limit are 431 and 414 at *service*."""

    @PHASE.case(
        case_id,
        f"The {service} refuses heads over the limit",
        proves="Header fields and targets have a limit, and going over it is told as such.",
        requirements=["HTTP-05"],
        baseline=[11],
        tags=[service, "negative", "limits"],
    )
    async def big_heads(t: CaasContext) -> None:
        """Red when the limit is missing, or the answer is a 5xx."""
        client = t.service(service)
        path = ROUTES[service]["get"]
        value = await client.get(path, headers={"x-filler": "a" * HEADER_OVER_LIMIT_BYTES})
        many = await client.get(path, headers={f"x-filler-{n}": "a" for n in range(120)})
        t.breaks_contract(many, reason="so many fields are refused before a service sees them")
        with t.check("headers", "a long header and too many headers are a 431") as check:
            refusal(check, value, 431, code="headers_too_large")
            check.status(many, 431, because="the server's own parser refuses it, without a body")
            check.lacks(derived_text(value), "aaaa")
        target = await client.get(f"{path}?filler={'a' * TARGET_OVER_LIMIT_BYTES}")
        with t.check("target", "a long target is a 414") as check:
            refusal(check, target, 414, code="target_too_long")
            check.lacks(derived_text(target), "aaaa")
        await still_serves(t, service)


_big_heads("X05.11", "auth-service")
_big_heads("X05.41", "gateway")


BAD_PATHS = {
    "nul": "/health%00",
    "nul-inside": "/hea%00lth",
    "newline": "/health%0a",
    "return": "/health%0d%0aSet-Cookie:x=y",
    "escape": "/%1b[31m",
    "delete": "/health%7f",
    "invalid-utf8": "/%ff%fe",
    "overlong": "/%c0%ae%c0%ae/",
    "bad-escape": "/%zz",
    "encoded-slash": "/v1%2fping",
    "dots": "/v1/../health",
    "encoded-dots": "/v1/%2e%2e/health",
    "double-slash": "//health",
}


def _paths(case_id: str, service: str) -> None:
    """Make the case that strange paths lead nowhere at *service*."""

    @PHASE.case(
        case_id,
        f"The {service} follows no strange path",
        proves="Control characters, %00, dots and broken escapes in a path lead nowhere.",
        requirements=["HTTP-07"],
        baseline=[75],
        tags=[service, "negative", "paths"],
    )
    async def paths(t: CaasContext) -> None:
        """Red when a strange path is served, repeated in a header, or becomes a 5xx."""
        for name, path in BAD_PATHS.items():
            answer = await t.service(service).get(path)
            with t.check(f"refused-{name}", f"{path} is a 400 for its form") as check:
                check.problem(answer, 400, code="bad_path")
                check.no_header(answer, "set-cookie")
        await still_serves(t, service)


_paths("X05.12", "auth-service")
_paths("X05.42", "gateway")


def _broken_messages(t: CaasContext, path: str) -> dict[str, bytes]:
    get = f"GET {path} HTTP/1.1"
    post = f"POST {path} HTTP/1.1"
    return {
        "not-http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64 + b"\r\n\r\n",
        "no-target": head(t, "GET  HTTP/1.1"),
        "no-host": head(t, get, host=False),
        "two-hosts": head(t, get, "Host: other.example"),
        "space-in-name": head(t, get, "X Name: value"),
        "space-before-colon": head(t, get, "X-Name : value"),
        "no-colon": head(t, get, "just-words"),
        "nul-in-value": head(t, get, "X-Name: a\x00b"),
        "folded": head(t, get, "X-Name: a\r\n b"),
        "length-word": head(t, post, "Content-Length: many"),
        "length-negative": head(t, post, "Content-Length: -1"),
        "length-plus": head(t, post, "Content-Length: +5") + b"abcde",
        "two-lengths": head(t, post, "Content-Length: 5", "Content-Length: 6") + b"abcdef",
        "chunk-size": head(t, post, "Transfer-Encoding: chunked") + b"zz\r\nabc\r\n0\r\n\r\n",
        "coding": head(t, post, "Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n",
        "bare-cr": head(t, get, "X-Name: a\rb"),
    }


def _framing(case_id: str, service: str) -> None:
    """Make the case that broken messages are refused at *service*."""

    @PHASE.case(
        case_id,
        f"The {service} refuses what is no HTTP",
        proves="A message that breaks HTTP's syntax is refused, and the service goes on.",
        requirements=["HTTP-12", "HTTP-11"],
        baseline=[1],
        tags=[service, "negative", "framing"],
    )
    async def framing(t: CaasContext) -> None:
        """Red when a broken message is served, hangs, or takes the service down."""
        path = ROUTES[service]["get"]
        for name, message in _broken_messages(t, path).items():
            answer = await t.raw(service, message)
            with t.check(f"refused-{name}", f"{name}: 4xx, or the connection is closed") as check:
                check.status(
                    answer, (400, 405, 408, 415), because=MALFORMED_BECAUSE, or_closed=True
                )
        await still_serves(t, service)


_framing("X05.13", "auth-service")
_framing("X05.43", "gateway")


def _smuggling(case_id: str, service: str, logout: str) -> None:
    """Make the case that no request is smuggled into another at *service*."""

    @PHASE.case(
        case_id,
        f"The {service} lets no request hide in another's body",
        proves="Two lengths in one request never make a second request of its body.",
        requirements=["HTTP-13"],
        baseline=[120],
        tags=[service, "negative", "framing"],
    )
    async def smuggling(t: CaasContext) -> None:
        """Red when the hidden logout is carried out."""
        session = await (await t.tenants.register()).session()
        bearer = f"Authorization: {session.bearer['authorization']}"
        hidden = head(t, f"POST {logout} HTTP/1.1", bearer, "Content-Length: 0")
        post = f"POST {ROUTES[service]['public']} HTTP/1.1"
        json_type = "Content-Type: application/json"
        whole = b"0\r\n\r\n" + hidden
        messages = {
            "length-then-chunks": head(
                t, post, json_type, f"Content-Length: {len(whole)}", "Transfer-Encoding: chunked"
            )
            + whole,
            "chunks-then-length": head(
                t, post, json_type, "Transfer-Encoding: chunked", "Content-Length: 4"
            )
            + whole,
            "obscured-chunks": head(
                t, post, json_type, "Content-Length: 5", "Transfer-Encoding: xchunked"
            )
            + whole,
            "tabbed-chunks": head(
                t, post, json_type, "Content-Length: 5", "Transfer-Encoding:\tchunked"
            )
            + whole,
            "two-lengths": head(
                t, post, json_type, "Content-Length: 5", f"Content-Length: {len(whole)}"
            )
            + whole,
        }
        for name, message in messages.items():
            answer = await t.raw(service, message)
            with t.check(f"refused-{name}", f"{name}: refused or closed") as check:
                check.status(answer, (400, 413, 415), because=MALFORMED_BECAUSE, or_closed=True)
        live = await ops.validate(t, session.access_token)
        with t.check("not-smuggled", "the hidden logout was not carried out") as check:
            check.status(live, 200)
            check.equal(live.at("payload.session_id"), session.session_id)
        real = await t.raw(service, hidden)
        ended = await ops.validate(t, session.access_token)
        with t.check("was-effective", "sent openly, the same bytes do log out") as check:
            check.status(real, 200)
            check.equal(real.at("message"), "Logged out successfully")
            check.problem(ended, 401, code="auth.token_refused", valid=False)


_smuggling("X05.14", "auth-service", ops.SDK_LOGOUT)
_smuggling("X05.44", "gateway", ops.GATEWAY_LOGOUT)
