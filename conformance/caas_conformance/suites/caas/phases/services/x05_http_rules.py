"""X05: HTTP's own rules, the same at every service."""

from typing import Any

from caas_conformance.authoring import Answer, Check, Phase, pattern
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext

PHASE = Phase(
    "X05",
    "HTTP hardening",
    "Malformed bodies, wrong types and methods, limits, paths, framing: no 5xx, no surprise.",
    tags=("security", "http"),
)

BODY_OVER_LIMIT_BYTES = 1_200_000
HEADER_OVER_LIMIT_BYTES = 20_000
TARGET_OVER_LIMIT_BYTES = 9_000
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "no-referrer",
    "strict-transport-security": pattern(r"max-age=[1-9]\d*.*", "an age above 0"),
    "content-security-policy": pattern(r"default-src 'self'.*", "its own origin as default"),
    "x-dns-prefetch-control": "off",
}
ROUTES = {
    "gateway": {"public": "/v1/client/register", "get": "/v1/ping", "list": ops.GATEWAY_SESSIONS},
    "auth-service": {"public": ops.REGISTER, "get": ops.JWKS, "list": ops.SESSIONS},
}
INSIDES = ("Traceback", "site-packages", "litestar", "msgspec", "pymongo", "granian", ".py")


def refusal(check: Check, answer: Answer, status: int, **reason: Any) -> None:
    """Assert a problem of *status* for *reason* that shows nothing of the service's insides."""
    check.problem(answer, status, **reason)
    for word in INSIDES:
        check.lacks(answer.text, word)


async def still_serves(t: CaasContext, service: str) -> None:
    """Check that *service* answers an ordinary request after all that."""
    answer = await t.service(service).get("/health")
    with t.check("still-serves", f"the {service} goes on serving") as check:
        check.status(answer, 200)
        check.matches(answer.at("status"), str)


FORM = (
    b'{"company_name": "Malformed Ltd", "email": "malformed@conformance.example.com", '
    b'"password": "Cf7!malformed-bodies"'
)
"""A registration that lacks nothing but its end."""
MALFORMED_BODIES: dict[str, bytes] = {
    "word": b"sample",
    "cut": FORM,
    "trailing": FORM + b"} x",
    "bom": b"\xef\xbb\xbf{}",
    "invalid-utf8": b'{"company_name": "\xff\xfe"}',
    "lone-surrogate": b'{"company_name": "\\ud800", "email": "a@b.example", "password": "x"}',
    "nan": b'{"company_name": NaN}',
    "duplicate-comma": FORM + b",,}",
    "nul": b'{"company_name": "x\x00"}',
    "nested": b'{"company_name": ' + b"[" * 200 + b"]" * 200 + b"}",
}
OTHER_BODIES: dict[str, bytes] = {"empty": b"", "array": b"[]", "null": b"null", "number": b"1e400"}
"""No object, which is what the route takes; the last may as well count as no JSON."""


def _malformed_json(case_id: str, service: str, baseline: list[int]) -> None:
    """Make the case that malformed bodies are a 400 at *service*."""

    @PHASE.case(
        case_id,
        f"The {service} refuses malformed JSON",
        proves="A body that can't be read is the caller's mistake, under the right title.",
        requirements=["HTTP-01", "HTTP-10", "HTTP-11"],
        baseline=baseline,
        tags=[service, "negative"],
    )
    async def malformed(t: CaasContext) -> None:
        """Red as the seed was: 400 under the title of a server error; or a real 500."""
        for name, body in (MALFORMED_BODIES | OTHER_BODIES).items():
            answer = await t.service(service).post(
                ROUTES[service]["public"], body=body, headers=ops.JSON_HEADERS
            )
            with t.check(f"refused-{name}", f"a {name} body is a 400") as check:
                if name in OTHER_BODIES:
                    refusal(check, answer, 400, code="invalid_input", errors="body")
                else:
                    refusal(check, answer, 400, code="malformed_json")
                check.equal(answer.at("title"), "Bad Request")
        await still_serves(t, service)


_malformed_json("X05.01", "auth-service", [12, 19, 25])
_malformed_json("X05.31", "gateway", [76, 77, 78, 112])


MEDIA_TYPES = {
    "text": "text/plain",
    "form": "application/x-www-form-urlencoded",
    "xml": "text/xml",
    "multipart": "multipart/form-data; boundary=x",
    "charset": "application/json; charset=utf-16",
    "none": "",
}


def _media_types(case_id: str, service: str) -> None:
    """Make the case that bodies of another type are a 415 at *service*."""

    @PHASE.case(
        case_id,
        f"The {service} reads JSON only",
        proves="A body of another type is refused with 415, which also stops simple forms.",
        requirements=["HTTP-02"],
        baseline=[76, 78],
        tags=[service, "negative"],
    )
    async def media_types(t: CaasContext) -> None:
        """Red when the type is ignored and the body parsed all the same."""
        form = {
            "company_name": t.unique("Typed Ltd"),
            "email": t.email("typed"),
            "password": t.password(),
        }
        path = ROUTES[service]["public"]
        for name, value in MEDIA_TYPES.items():
            headers = {"content-type": value or None}
            answer = await t.service(service).post(path, json=form, headers=headers)
            with t.check(f"refused-{name}", f"{value or 'no type'} is a 415") as check:
                refusal(check, answer, 415, code="unsupported_media_type")
                check.absent(answer, "api_key")
        accepted = ops.keep_secret(t, await t.service(service).post(path, json=form))
        with t.check("json-accepted", "while the same bytes as JSON are accepted") as check:
            check.status(accepted, 201)
            check.matches(accepted.body, {"api_key": ops.API_KEY})


_media_types("X05.02", "auth-service")
_media_types("X05.32", "gateway")


def _methods(case_id: str, service: str) -> None:
    """Make the case that *service* says which methods a resource has."""

    @PHASE.case(
        case_id,
        f"The {service} says which methods a resource has",
        proves="A wrong method is a 405 that lists the right ones, and so does OPTIONS.",
        requirements=["HTTP-03", "HTTP-09"],
        baseline=[74],
        tags=[service, "negative"],
    )
    async def methods(t: CaasContext) -> None:
        """Red when Allow is missing or lists another set."""
        client = t.service(service)
        for path, right, wrong in (
            (ROUTES[service]["public"], "POST", ("GET", "DELETE", "PUT")),
            (ROUTES[service]["get"], "GET", ("POST", "PATCH")),
            ("/health", "GET", ("POST", "DELETE")),
        ):
            name = path.strip("/.").replace("/", "-").replace(".", "-")
            for method in wrong:
                answer = await client.request(method, path)
                with t.check(f"refused-{name}-{method.lower()}", f"{method} {path}: 405") as check:
                    refusal(check, answer, 405, code="method_not_allowed")
                    check.contains(answer.header("allow"), right)
                    check.lacks(answer.header("allow"), method)
            options = await client.options(path)
            with t.check(f"options-{name}", f"OPTIONS {path} lists {right}") as check:
                check.status(options, (200, 204), because="RFC 9110, 9.3.7 allows both")
                check.contains(options.header("allow"), right)
                check.contains(options.header("allow"), "OPTIONS")
                check.lacks(options.header("allow"), wrong[-1])
        unknown = await client.request("BREW", ROUTES[service]["get"])
        with t.check("unknown-method", "a method that nobody knows is a 4xx") as check:
            check.status(unknown, (400, 405), because="a server may not know its syntax either")
            check.lacks(derived_text(unknown), "Traceback")


def derived_text(answer: Answer) -> Any:
    """Return reason and body as one text that is never empty."""
    return answer.text.derive("with-reason", lambda text: f"{answer.reason} {text}")


_methods("X05.03", "auth-service")
_methods("X05.33", "gateway")


def _head(case_id: str, service: str) -> None:
    """Make the case that HEAD answers where GET does."""

    @PHASE.case(
        case_id,
        f"The {service} answers HEAD where it answers GET",
        proves="HEAD has the status and type of GET, and no body.",
        requirements=["HTTP-08"],
        baseline=[1, 4],
        tags=[service],
    )
    async def head(t: CaasContext) -> None:
        """Red when HEAD is a 405; that no body comes is seen on the wire, with every exchange."""
        client = t.service(service)
        for path in ("/health", ROUTES[service]["get"], "/documentation/json"):
            got = await client.get(path)
            answer = await client.head(path)
            name = path.strip("/.").replace("/", "-").replace(".", "-")
            with t.check(f"alike-{name}", f"HEAD {path} is GET without a body") as check:
                check.status(answer, 200)
                check.status(got, 200)
                check.equal(answer.header("content-type"), got.header("content-type"))
                check.between(got.size, 1, 10_000_000)
        missing = await client.head("/no/such/path")
        with t.check("missing", "HEAD of nothing is a 404 without a body") as check:
            check.status(missing, 404, because="an answer to HEAD has no body to tell more")


_head("X05.04", "auth-service")
_head("X05.34", "gateway")


def _unknown(case_id: str, service: str) -> None:
    """Make the case that unknown paths are a plain 404."""

    @PHASE.case(
        case_id,
        f"The {service} knows what it does not have",
        proves="An unknown path is a 404 problem document that repeats nothing.",
        requirements=["HTTP-19", "HTTP-10"],
        baseline=[41, 42],
        tags=[service, "negative"],
    )
    async def unknown(t: CaasContext) -> None:
        """Red when the answer is a framework's own page, or repeats the path."""
        client = t.service(service)
        canary = t.unique("canary")
        paths = {
            "root": f"/{canary}",
            "deep": f"/v1/{canary}/x/y",
            "dotfile": "/.env",
            "file": "/etc/passwd",
            "case": ROUTES[service]["get"].upper(),
        }
        for name, path in paths.items():
            answer = await client.get(path)
            with t.check(f"missing-{name}", f"GET {name} path is a 404") as check:
                refusal(check, answer, 404, code="not_found")
                check.lacks(answer.text, canary)
        known = await client.get(ROUTES[service]["get"])
        with t.check("known", "while a known path is served") as check:
            check.status(known, 200)
            check.matches(known.body, dict)


_unknown("X05.05", "auth-service")
_unknown("X05.35", "gateway")


def _headers(case_id: str, service: str) -> None:
    """Make the case that every kind of answer has the security headers."""

    @PHASE.case(
        case_id,
        f"Every answer of the {service} has the security headers",
        proves="Browsers are told not to guess, frame or leak, on success and on error alike.",
        requirements=["HTTP-17"],
        baseline=[1, 74],
        tags=[service],
    )
    async def headers(t: CaasContext) -> None:
        """Red when errors, or answers past the framework, go out bare."""
        client = t.service(service)
        post = ROUTES[service]["public"]
        answers = {
            "ok": (await client.get("/health"), 200),
            "document": (await client.get("/documentation/json"), 200),
            "missing": (await client.get("/no/such/path"), 404),
            "refused": (await client.get(ROUTES[service]["list"]), 401),
            "malformed": (
                await client.post(post, body=b"sample", headers=ops.JSON_HEADERS),
                400,
            ),
            "method": (await client.delete(post), 405),
        }
        for name, (answer, status) in answers.items():
            with t.check(f"on-{name}", f"they are on the {name} answer") as check:
                check.status(answer, status, because="whatever the answer says")
                for header, value in SECURITY_HEADERS.items():
                    check.header(answer, header, value)
                check.no_header(answer, "x-powered-by")


_headers("X05.06", "auth-service")
_headers("X05.36", "gateway")


def _cors(case_id: str, service: str) -> None:
    """Make the case that no foreign origin gets permission."""

    @PHASE.case(
        case_id,
        f"The {service} gives no foreign origin permission",
        proves="A page of another site can't read answers with a user's credentials.",
        requirements=["HTTP-18"],
        baseline=[69, 70],
        tags=[service, "negative"],
    )
    async def cors(t: CaasContext) -> None:
        """Red when any origin is reflected, or the wildcard comes with credentials."""
        client = t.service(service)
        for name, origin in (
            ("foreign", "https://evil.example.net"),
            ("null", "null"),
            ("file", "file://"),
        ):
            answer = await client.get("/health", headers={"origin": origin})
            preflight = await client.options(
                ROUTES[service]["public"],
                headers={
                    "origin": origin,
                    "access-control-request-method": "POST",
                    "access-control-request-headers": "authorization",
                },
            )
            with t.check(f"no-permission-{name}", f"{origin} gets none") as check:
                check.status(answer, 200)
                check.matches(answer.at("status"), str)
                for one in (answer, preflight):
                    check.no_header(one, "access-control-allow-origin")
                    check.no_header(one, "access-control-allow-credentials")
                check.contains(answer.header("vary"), "Origin")


_cors("X05.07", "auth-service")
_cors("X05.37", "gateway")


def _query(case_id: str, service: str) -> None:
    """Make the case that a scalar parameter may be given once."""

    @PHASE.case(
        case_id,
        f"The {service} takes a parameter once",
        proves="A parameter given twice, or not a number where one belongs, is a 400.",
        requirements=["HTTP-14", "HTTP-11"],
        baseline=[32, 73],
        tags=[service, "negative", "validation"],
    )
    async def query(t: CaasContext) -> None:
        """Red when one of two values is picked in silence."""
        session = await (await t.tenants.register()).session()
        path = ROUTES[service]["list"]
        twice = ("duplicate_parameter", "more than once")
        queries: dict[str, tuple[list[tuple[str, str]], tuple[str, str]]] = {
            "twice": ([("limit", "1"), ("limit", "2")], twice),
            "same-twice": ([("limit", "1"), ("limit", "1")], twice),
            "word": ([("limit", "many")], ("invalid_input", "got `str`")),
            "zero": ([("limit", "0")], ("invalid_input", ">= 1")),
            "negative": ([("limit", "-1")], ("invalid_input", ">= 1")),
            "huge": ([("limit", "99999999999999999999")], ("invalid_input", "<= 100")),
        }
        for name, (pairs, (code, rule)) in queries.items():
            answer = await t.service(service).get(path, query=pairs, headers=session.bearer)
            with t.check(f"refused-{name}", f"{name}: 400 that names it") as check:
                refusal(check, answer, 400, code=code, errors={"query.limit": rule})
        good = await t.service(service).get(path, query={"limit": "1"}, headers=session.bearer)
        with t.check("once-accepted", "while once is right") as check:
            check.status(good, 200)
            check.equal(good.at("sessions").length, 1)


_query("X05.08", "auth-service")
_query("X05.38", "gateway")
