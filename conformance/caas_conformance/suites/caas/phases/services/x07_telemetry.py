"""X07: one request leaves one trace, through every service, and no secret in it."""

from typing import Any

from caas_conformance.authoring import Phase, Value, pattern
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext

PHASE = Phase(
    "X07",
    "Telemetry",
    "Correlation ids, trace context, spans and log lines of one request across services.",
    tags=("telemetry",),
)

TRACE_RESPONSE = pattern(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", "a W3C trace context")
CORRELATION_ID = pattern(r"[A-Za-z0-9._-]{1,128}", "1 to 128 of [A-Za-z0-9._-]")


@PHASE.case(
    "X07.01",
    "A correlation id is echoed",
    proves="A client finds its own request in the logs by the id it chose.",
    requirements=["TEL-01"],
    baseline=[1, 27],
)
async def correlation_id_is_echoed(t: CaasContext) -> None:
    """Red when the id is dropped or replaced on some kind of answer."""
    ids = {"short": "a", "long": "A" * 128, "all": "Az09._-", "own": t.unique("request")}
    for service in t.service_names:
        for name, value in ids.items():
            for path, status in (("/health", 200), ("/no/such/path", 404)):
                answer = await t.service(service).get(path, headers={"x-correlation-id": value})
                check_id = f"echoed-{service}-{name}-{status}"
                with t.check(check_id, f"{service} echoes the {name} id on a {status}") as check:
                    check.status(answer, status, because="whatever the answer says")
                    check.header(answer, "x-correlation-id", value)


@PHASE.case(
    "X07.02",
    "A malformed correlation id is replaced",
    proves="Nobody writes into the logs, or into headers, by way of a correlation id.",
    requirements=["TEL-01"],
    baseline=[1],
    tags=["negative", "security"],
)
async def bad_correlation_id_is_replaced(t: CaasContext) -> None:
    """Red when it is echoed as it is, or the request refused for it."""
    ids: dict[str, str | None] = {
        "missing": None,
        "empty": "",
        "long": "a" * 129,
        "space": "two words",
        "markup": "<script>",
        "json": '{"a":1}',
        "latin": "\xfc",
    }
    for service in t.service_names:
        for name, value in ids.items():
            answer = await t.service(service).get("/health", headers={"x-correlation-id": value})
            with t.check(f"fresh-{service}-{name}", f"{service}: {name} id replaced") as check:
                check.status(answer, 200)
                check.matches(answer.at("status"), str)
                check.header(answer, "x-correlation-id", CORRELATION_ID)
                check.differs(answer.header("x-correlation-id"), value or "")


@PHASE.case(
    "X07.03",
    "The answer names the caller's trace",
    proves="Whoever sends a trace context learns that its trace was taken up.",
    requirements=["TEL-02"],
    baseline=[1, 27],
)
async def answer_names_the_trace(t: CaasContext) -> None:
    """Red when the service starts a trace of its own."""
    session = await (await t.tenants.register()).session()
    trace_id = Value("trace_id", t.trace.trace_id)
    for service, path in (("auth-service", ops.SESSIONS), ("gateway", ops.GATEWAY_TENANT)):
        answers = {
            "ok": await t.service(service).get(path, headers=session.bearer),
            "refused": await t.service(service).get(path),
        }
        for name, answer in answers.items():
            with t.check(f"named-{service}-{name}", f"{service}: the {name} answer") as check:
                check.matches(answer.body, dict)
                check.header(answer, "traceresponse", TRACE_RESPONSE)
                check.contains(answer.header("traceresponse"), trace_id)


@PHASE.case(
    "X07.04",
    "A malformed trace context starts a new trace",
    proves="A broken traceparent is ignored; the request is served under a fresh trace.",
    requirements=["TEL-06"],
    baseline=[1],
    tags=["negative"],
)
async def broken_context_is_ignored(t: CaasContext) -> None:
    """Red when it is believed in part, or answered with an error."""
    zeros = "00-" + "0" * 32 + "-" + "0" * 16 + "-01"
    contexts = {
        "words": "not a context",
        "zeros": zeros,
        "short": "00-abc-def-01",
        "capitals": "00-" + "A" * 32 + "-" + "B" * 16 + "-01",
        "version": "ff-" + "a" * 32 + "-" + "b" * 16 + "-01",
    }
    for service in t.service_names:
        t.given(await t.service(service).get("/health"), 200, "be healthy")
        for name, value in contexts.items():
            answer = await t.service(service).get("/health", headers={"traceparent": value})
            with t.check(f"fresh-{service}-{name}", f"{service}: {name} context") as check:
                check.status(answer, 200)
                check.header(answer, "traceresponse", TRACE_RESPONSE)
                found = answer.header("traceresponse").derive("trace_id", _trace_id)
                check.differs(found, _trace_id(value.lower()))
                check.differs(found, "0" * 32)


def _trace_id(context: str) -> str:
    """Return the trace id of a trace context, however badly that is formed."""
    return context.split("-")[1] if "-" in context else context


def _having(records: Value, **wanted: Any) -> Value:
    """Return the records whose members are those wanted."""
    return records.derive(
        "having",
        lambda found: [r for r in found if all(r.get(k) == v for k, v in wanted.items())],
    )


@PHASE.case(
    "X07.05",
    "One call through the gateway is one trace through both services",
    proves="A request at the front door can be followed into the auth service and its databases.",
    requirements=["TEL-03"],
    baseline=[27, 30],
)
async def one_trace_through_both(t: CaasContext) -> None:
    """Red when the gateway does not pass its context on, or a service records nothing."""
    form = {
        "company_name": t.unique("Traced Ltd"),
        "email": t.email("traced"),
        "password": t.password(),
    }
    answer = ops.keep_secret(t, await t.gateway.post("/v1/client/register", json=form))
    recorded = await t.recorded()
    with t.check("registered", "the call succeeds") as check:
        check.status(answer, 201)
        check.matches(answer.at("tenant_id"), str)
    with t.check("both-services", "gateway and auth recorded spans of it") as check:
        check.contains(recorded.at("services"), "gateway")
        check.contains(recorded.at("services"), "auth-service")
    client = _having(recorded.at("spans"), service="gateway", kind="client")
    server = _having(recorded.at("spans"), service="auth-service", kind="server")
    with t.check("linked", "auth's server span hangs below the gateway's client span") as check:
        check.matches(server.at("0.parent_span_id"), str)
        ids = client.derive("ids", lambda spans: [span["span_id"] for span in spans])
        check.contains(ids, server.at("0.parent_span_id"))
    with t.check("named", "spans carry method, route and status") as check:
        check.matches(
            server.at("0.attributes"),
            {
                "http.request.method": "POST",
                "http.route": ops.REGISTER,
                "http.response.status_code": 201,
            },
        )


@PHASE.case(
    "X07.06",
    "Every service that took part wrote a log line of the trace",
    proves="The logs of one request are found by its trace id, in every service it touched.",
    requirements=["TEL-04", "TEL-07"],
    baseline=[27],
)
async def every_service_logs(t: CaasContext) -> None:
    """Red as the seed was: log lines that belong to some other request."""
    correlation_id = t.unique("followed")
    headers = {"x-correlation-id": correlation_id}
    answer = await t.gateway.post(
        "/v1/sdk/refresh", json={"refresh_token": "not-a-token"}, headers=headers
    )
    recorded = await t.recorded()
    with t.check("refused", "the call reaches auth, which refuses it") as check:
        check.problem(answer, 401, code="auth.refresh_token_invalid", statusCode=401)
        check.header(answer, "x-correlation-id", correlation_id)
    for service in ("gateway", "auth-service"):
        lines = _having(recorded.at("logs"), service=service)
        with t.check(f"logged-{service}", f"{service} wrote lines under trace and id") as check:
            check.each(lines, {"trace_id": t.trace.trace_id, "message": str, "level": str})
            ids = lines.derive(
                "correlation_ids",
                lambda found: [line["attributes"].get("correlation_id") for line in found],
            )
            check.contains(ids, correlation_id)


@PHASE.case(
    "X07.07",
    "Telemetry holds no secret",
    proves="Passwords, keys and tokens that were sent are in no span and in no log line.",
    requirements=["TEL-05"],
    baseline=[15, 17, 67],
    tags=["security", "redaction"],
)
async def telemetry_holds_no_secret(t: CaasContext) -> None:
    """Red as the seed was: a log excerpt that prints the service secret."""
    tenant = await t.tenants.register()
    session = await tenant.session()
    await tenant.login()
    named = f"/v1/ping?api_key={tenant.api_key}&token={session.access_token}"
    for answer in (
        await ops.validate_key(t, tenant.api_key),
        await ops.introspect(t, session.access_token),
        await ops.refresh(t, session.refresh_token),
        await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer),
        await t.gateway.get(named),
        await t.auth.get("/health", headers={"cookie": f"session={tenant.api_secret}"}),
    ):
        t.given(answer, 200, "send a secret where it belongs")
    misplaced = t.secret(t.unique("a shapeless secret").replace(" ", "-"))
    for client, path, headers in (
        (t.gateway, ops.GATEWAY_SESSIONS, session.bearer),
        (t.auth, ops.SESSIONS, session.bearer),
        (t.gateway, "/v1/client", {}),
    ):
        answer = await client.get(f"{path}/{misplaced}", headers=headers)
        t.given(answer, 404, "send a secret where it does not belong")
    recorded = await t.recorded()
    texts = recorded.derive("text", repr)
    with t.check("recorded", "there is telemetry of both services to look at") as check:
        check.contains(recorded.at("services"), "gateway")
        check.contains(recorded.at("services"), "auth-service")
        check.between(recorded.at("spans").length, 8, 10_000)
        check.between(recorded.at("logs").length, 1, 10_000)
    secrets = {
        "password": tenant.password,
        "api-key": tenant.api_key,
        "api-secret": tenant.api_secret,
        "access-token": session.access_token,
        "refresh-token": session.refresh_token,
        "service-secret": t.service_secret()["x-service-secret"],
        "misplaced-secret": misplaced,
    }
    for name, secret in secrets.items():
        with t.check(f"no-{name}", f"no {name.replace('-', ' ')} in it") as check:
            check.lacks(texts, secret)
