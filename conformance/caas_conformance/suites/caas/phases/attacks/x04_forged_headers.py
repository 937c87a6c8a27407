"""X04: headers by which a client claims to be more, or elsewhere, are not believed."""

from caas_conformance.authoring import Answer, Phase
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext

PHASE = Phase(
    "X04",
    "Forged headers",
    "Internal headers, forwarded addresses and rewriting headers sent by a stranger.",
    tags=("security", "headers"),
)

LISTED_ADDRESS = "203.0.113.5"
OPERATORS_PATHS = ("/internal/health/detailed", "/internal/metrics")


@PHASE.case(
    "X04.01",
    "Internal headers are no credential at the gateway",
    proves="Not even the platform's own secret lets a caller in by the front door.",
    requirements=["SEC-HDR-01"],
    baseline=[26],
    tags=["negative"],
)
async def internal_headers_are_no_credential(t: CaasContext) -> None:
    """Red when the gateway trusts headers that only services send."""
    tenant = await t.tenants.register()
    session = await tenant.session()
    forged = {
        "x-tenant-id": tenant.tenant_id,
        "x-user-id": session.user_id,
        "x-client-id": tenant.client_id,
        "x-session-id": session.session_id,
        "x-permissions": "tenant:read tenant:write",
        "x-role": "tenant_admin",
        **t.service_secret(),
    }
    for path in (ops.GATEWAY_TENANT, ops.GATEWAY_USAGE, ops.GATEWAY_KEYS, ops.GATEWAY_SESSIONS):
        answer = await t.gateway.get(path, headers=forged)
        name = path.strip("/").replace("/", "-")
        with t.check(f"refused-{name}", f"{path} is a 401") as check:
            check.problem(answer, 401, code="gateway.tenant_context_required", statusCode=401)
            check.absent(answer, "tenant_id", "items", "sessions")
    real = await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer)
    with t.check("token-admits", "while the token lets in") as check:
        check.status(real, 200)
        check.equal(real.at("tenant_id"), tenant.tenant_id)


INTERNAL_PATHS = {
    "auth-internal": "/v1/auth/internal/validate-api-key",
    "api-internal": ops.VALIDATE_KEY,
    "api-introspect": ops.INTROSPECT,
    "sdk-dots": "/v1/sdk/../internal/validate",
    "sdk-encoded-dots": "/v1/sdk/%2e%2e/internal/validate",
    "sdk-encoded-slash": "/v1/sdk%2f..%2finternal%2fvalidate",
    "double-slash": "//api/v1/auth/internal/validate",
    "client-keys": "/v1/client/api-keys/rotate",
    "client-whitelist": "/v1/client/ip-whitelist",
    "tenants": "/v1/internal/tenants",
}
FORMS_REFUSED = ("sdk-dots", "sdk-encoded-dots", "sdk-encoded-slash", "double-slash")


@PHASE.case(
    "X04.02",
    "No internal route is reached through the gateway",
    proves="Outsiders can't ask the platform's internal questions, by whatever spelling.",
    requirements=["SEC-HDR-03", "HTTP-07"],
    baseline=[17, 22],
    tags=["negative"],
)
async def internal_routes_are_closed(t: CaasContext) -> None:
    """Red when a prefix is proxied as it comes."""
    tenant = await t.tenants.register()
    body = {"api_key": tenant.api_key, "ip_address": "127.0.0.1"}
    for name, path in INTERNAL_PATHS.items():
        answer = await t.gateway.post(path, json=body, headers=t.service_secret())
        with t.check(f"closed-{name}", f"POST {path} leads nowhere") as check:
            if name in FORMS_REFUSED:
                check.problem(answer, 400, code="bad_path", statusCode=400)
            else:
                check.problem(answer, 404, code="not_found", statusCode=404)
            check.absent(answer, "client", "valid", "secondary_key")
    asked = await t.auth.post(ops.VALIDATE_KEY, json=body, headers=t.service_secret())
    with t.check("question-is-good", "while auth itself answers that question") as check:
        check.status(asked, 200)
        check.equal(asked.at("client.tenant_id"), tenant.tenant_id)


async def _enter(t: CaasContext, service: str, headers: dict[str, str]) -> Answer:
    path = "/v1/sdk/session" if service == "gateway" else ops.SDK_SESSION
    body = {"user_external_id": t.unique("alice")}
    return ops.keep_secret(t, await t.service(service).post(path, json=body, headers=headers))


def _address_case(case_id: str, service: str) -> None:
    """Make the case that *service* does not believe a client's word on its address."""

    @PHASE.case(
        case_id,
        f"The {service} does not believe a client's own address",
        proves="An IP whitelist can't be passed by claiming to come from a listed address.",
        requirements=["SEC-HDR-02", "AUTH-WL-03"],
        baseline=[67, 68],
        tags=["negative", "ip"],
    )
    async def address(t: CaasContext) -> None:
        """Red when X-Forwarded-For of a stranger is taken for the truth."""
        tenant = await t.tenants.register()
        body = {"client_id": tenant.client_id, "ip": LISTED_ADDRESS}
        listed = await t.auth.post(ops.IP_WHITELIST, json=body, headers=t.service_secret())
        with t.check("listed", "the company lists one address") as check:
            check.status(listed, 201)
            check.contains(listed.at("ip"), LISTED_ADDRESS)
        forged = {
            "x-forwarded-for": LISTED_ADDRESS,
            "x-forwarded-for-chain": f"{LISTED_ADDRESS}, 127.0.0.1",
            "forwarded": f"for={LISTED_ADDRESS}",
            "x-real-ip": LISTED_ADDRESS,
            "true-client-ip": LISTED_ADDRESS,
            "cf-connecting-ip": LISTED_ADDRESS,
        }
        for name, value in forged.items():
            header = name.removesuffix("-chain")
            answer = await _enter(t, service, {**tenant.key, header: value})
            with t.check(f"refused-{name}", f"{name} does not help") as check:
                check.problem(answer, 403, code="auth.address_not_allowed")
                check.absent(answer, "access_token")
        for ip in ("127.0.0.0/8", "::1"):
            entry = {"client_id": tenant.client_id, "ip": ip}
            added = await t.auth.post(ops.IP_WHITELIST, json=entry, headers=t.service_secret())
            t.given(added, 201, f"list {ip}")
        real = await _enter(t, service, {**tenant.key, "x-forwarded-for": LISTED_ADDRESS})
        with t.check("real-address", "the connection's own address does") as check:
            check.status(real, 200)
            check.equal(ops.token_claims(real).at("tenant_id"), tenant.tenant_id)


_address_case("X04.03", "gateway")
_address_case("X04.04", "auth-service")


@PHASE.case(
    "X04.05",
    "Rewriting headers change no route",
    proves="A header can't turn a public request into a protected or a changing one.",
    requirements=["HTTP-20", "SEC-HDR-01"],
    baseline=[11],
    tags=["negative"],
)
async def rewriting_headers_are_ignored(t: CaasContext) -> None:
    """Red when a framework honours a rewriting header."""
    session = await (await t.tenants.register()).session()
    forged = {
        "x-original-url": ops.GATEWAY_TENANT,
        "x-rewrite-url": ops.GATEWAY_TENANT,
        "x-forwarded-path": ops.GATEWAY_TENANT,
    }
    for name, value in forged.items():
        answer = await t.gateway.get("/v1/ping", headers={**session.bearer, name: value})
        with t.check(f"ignored-{name}", f"{name} is ignored") as check:
            check.status(answer, 200)
            check.equal(answer.at("message"), "pong from v1")
    for name in ("x-http-method-override", "x-http-method", "x-method-override"):
        headers = {**session.bearer, name: "DELETE"}
        t.given(await t.gateway.get(ops.GATEWAY_SESSIONS, headers=headers), 200, "list sessions")
        logout = await t.gateway.post("/v1/ping", headers={name: "GET"})
        with t.check(f"method-{name}", f"{name} is ignored") as check:
            check.problem(logout, 405, code="method_not_allowed", statusCode=405)
    live = await ops.validate(t, session.access_token)
    with t.check("still-in", "and the session was not ended by them") as check:
        check.status(live, 200)
        check.equal(live.at("payload.session_id"), session.session_id)


@PHASE.case(
    "X04.06",
    "The Host header appears nowhere",
    proves="A forged host is written into no address that the platform hands out.",
    requirements=["HTTP-20"],
    baseline=[19, 74],
    tags=["negative"],
)
async def host_is_not_reflected(t: CaasContext) -> None:
    """Red when an address is built from what the client calls the server."""
    tenant = await t.tenants.register()
    forged = {"host": "evil.example.net", "x-forwarded-host": "evil.example.net"}
    for service in t.service_names:
        document = await t.service(service).get("/documentation/json", headers=forged)
        with t.check(f"document-{service}", f"{service}: not in the document") as check:
            check.matches(document.at("openapi"), str)
            check.lacks(document.text, "evil.example.net")
    session = await _enter(t, "gateway", {**tenant.key, **forged})
    with t.check("session", "nor among the socket addresses") as check:
        check.status(session, 200)
        check.matches(session.at("socket_urls"), [str])
        check.lacks(session.text, "evil.example.net")


@PHASE.case(
    "X04.07",
    "A deadline from outside breaks nothing",
    proves="A client can't make the front door answer 5xx by sending an internal deadline.",
    requirements=["SEC-HDR-01", "HTTP-11"],
    baseline=[11, 27],
    tags=["negative"],
)
async def outside_deadline_is_ignored(t: CaasContext) -> None:
    """Red when x-caas-deadline-ms is believed from a stranger."""
    tenant = await t.tenants.register()
    session = await tenant.session()
    for value in ("0", "1", "-5", "soon"):
        name = value.replace("-", "minus")
        headers = {**session.bearer, "x-caas-deadline-ms": value}
        ping = await t.gateway.get("/v1/ping", headers=headers)
        company = await t.gateway.get(ops.GATEWAY_TENANT, headers=headers)
        with t.check(f"ignored-{name}", f"a deadline of {value} is ignored") as check:
            check.status(ping, 200)
            check.equal(ping.at("message"), "pong from v1")
            check.status(company, 200)
            check.equal(company.at("tenant_id"), tenant.tenant_id)


@PHASE.case(
    "X04.08",
    "Secrets that were sent come back in no error",
    proves="A refused request is answered without repeating its credentials or its password.",
    requirements=["SEC-SECRET-01", "HTTP-11"],
    baseline=[14, 18, 24, 34],
    tags=["negative", "redaction"],
)
async def secrets_are_not_repeated(t: CaasContext) -> None:
    """Red when an error quotes its input."""
    canary = t.secret(t.unique("Canary7!secret"))
    token = t.secret(f"eyJhbGciOiJIUzI1NiJ9.{t.unique('canary')}.sig")
    bearer = {"authorization": f"Bearer {token}"}
    register = {"company_name": "X", "email": "no-address", "password": canary, "plan": canary}
    app = {"app_id": canary, "app_secret": canary, "user_external_id": "x"}
    key = {"api_key": canary, "ip_address": canary}
    answers = {
        "register": await t.auth.post(ops.REGISTER, json=register),
        "register-unknown": await t.auth.post(ops.REGISTER, json={"unknown": canary}),
        "malformed": await t.auth.post(
            ops.REGISTER, body=f'{{"password": "{canary}"'.encode(), headers=ops.JSON_HEADERS
        ),
        "refresh": await t.auth.post(ops.SDK_REFRESH, json={"refresh_token": canary}),
        "validate": await t.auth.post(ops.VALIDATE, json={"token": canary}),
        "key": await t.auth.post(ops.VALIDATE_KEY, json=key, headers=t.service_secret()),
        "session": await t.auth.post(
            ops.SDK_SESSION, json={"user_external_id": "x"}, headers={"x-api-key": canary}
        ),
        "profile": await t.auth.get(ops.PROFILE, headers=bearer),
        "company": await t.gateway.get(ops.GATEWAY_TENANT, headers=bearer),
        "sdk-token": await t.gateway.post(ops.GATEWAY_SDK_TOKEN, json=app),
        "path": await t.gateway.get(f"/v1/unknown/{canary}"),
    }
    for name, answer in answers.items():
        with t.check(f"silent-{name}", f"the {name} error repeats nothing") as check:
            check.matches(answer.body, {"title": str, "status": answer.status or 0})
            check.between(answer.at("status"), 400, 499)
            check.lacks(answer.text, canary)
            check.lacks(answer.text, token)
    form = {"company_name": t.unique("Canary Ltd"), "email": t.email("canary"), "password": canary}
    accepted = ops.keep_secret(t, await t.auth.post(ops.REGISTER, json=form))
    with t.check("canary-was-read", "while the same password, well sent, registers") as check:
        check.status(accepted, 201)
        check.matches(accepted.at("api_key"), ops.API_KEY)
        check.lacks(accepted.text, canary)


@PHASE.case(
    "X04.09",
    "A rebound name opens no operator's page",
    proves="A web page whose name was made to mean this machine reads no metrics from it.",
    requirements=["SEC-HDR-04"],
    baseline=[2, 3],
    tags=["negative"],
)
async def rebound_name_is_no_insider(t: CaasContext) -> None:
    """Red when whoever connects from this machine is believed, whatever host they ask for."""
    hosts = {"foreign": "rebound.example.net", "lookalike": "127.0.0.1.example.net:3000"}
    for service in t.service_names:
        for path in OPERATORS_PATHS:
            what = f"{service}-{path.rpartition('/')[2]}"
            for name, host in hosts.items():
                answer = await t.service(service).get(path, headers={"host": host})
                with t.check(f"refused-{what}-{name}", f"{service}: {path} as {host}") as check:
                    check.problem(answer, 401, code="service_authentication_failed")
                    check.lacks(answer.text, "http_server_request_duration")
            insider = await t.service(service).get(
                path, headers={"host": hosts["foreign"], **t.service_secret()}
            )
            with t.check(f"told-{what}", "while a service is told, under any name") as check:
                check.status(insider, 200)
                check.between(insider.size, 100, 1_000_000)
