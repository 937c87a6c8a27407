"""Scenarios of made-up attempts: checks, exchanges, spans and logs that fit together."""

import hashlib
import random
from collections.abc import Callable

import msgspec

from caas_reports.model import (
    Exchange,
    Message,
    Step,
    Timings,
    Verdict,
    WireEvent,
)
from caas_reports.testing.evidence import Evidence

PROVES = {
    "health": "The service answers before anyone has signed in, and says who it is.",
    "register": "One address makes one tenant, and its keys are shown exactly once.",
    "session": "A tenant's key, and nothing less, opens a session for its user.",
    "tenant": "A registered tenant is known at the front door on the very next call.",
    "socket": "What a member says arrives at members on every node, and nowhere else.",
    "stream": "The answer arrives in order, chunk by chunk, and ends exactly once.",
}

TENANT_ID = "5b0c4f1e-8f0e-4d0e-9b51-1f1f6f1f2a10"
RUNNER = "conformance-runner"


def evidence(
    kind: str, verdict: Verdict, requirements: tuple[str, ...], hostile: str, *, seed: str
) -> Evidence:
    """Make the evidence of one attempt; the same arguments give the same evidence."""
    made = Evidence(
        trace_id=hashlib.sha256(seed.encode()).hexdigest()[:32],
        verdict=verdict,
        requirements=requirements,
        hostile=hostile,
        jitter=random.Random(seed),  # noqa: S311  (made-up latencies, not secrets)
    )
    if verdict is Verdict.ERROR:
        made.duration_ms = 451.5
        made.spans = ()
        made.span("", "case", "internal", RUNNER, 0, 451)
        return made
    _SCENARIOS[kind](made)
    return made


def _document(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _http(  # noqa: PLR0913, PLR0917  (the members of an exchange)
    made: Evidence,
    service: str,
    method: str,
    path: str,
    status: int,
    sent: object,
    received: object,
    total_ms: float,
    span_id: str,
) -> None:
    body = _document(received) + made.hostile
    wanted = _document(sent) if sent is not None else ""
    correlation = f"c-{made.trace_id[:12]}"
    head = (
        ("content-type", "application/json"),
        ("x-correlation-id", correlation),
        ("x-ratelimit-remaining", str(99 - len(made.exchanges))),
        ("traceresponse", f"00-{made.trace_id}-{span_id}-01"),
    )
    asked = (
        ("host", "127.0.0.1:4000"),
        ("authorization", "Bearer [redacted]"),
        ("traceparent", f"00-{made.trace_id}-{span_id}-01"),
    )
    lines = "".join(f"{name}: {value}\n" for name, value in asked)
    answer = "".join(f"{name}: {value}\n" for name, value in head)
    made.exchanges += (
        Exchange(
            id=f"x{len(made.exchanges) + 1}",
            protocol="http",
            service=service,
            method=method,
            url=f"http://127.0.0.1:4000{path}{made.hostile}",
            offset_ms=2.0 + 30 * len(made.exchanges),
            status=status,
            request=Message(
                headers=asked,
                body=wanted,
                body_bytes=len(wanted),
                raw=f"{method} {path} HTTP/1.1\n{lines}\n{wanted}",
            ),
            response=Message(
                headers=head,
                body=body,
                body_bytes=len(body),
                raw=f"HTTP/1.1 {status}\n{answer}\n{body}",
            ),
            timings=Timings(connect_ms=0.4, first_byte_ms=total_ms * 0.8, total_ms=total_ms),
            span_id=span_id,
            correlation_id=correlation,
            step=0,
        ),
    )


def _front_door(made: Evidence, path: str, method: str, status: int, total_ms: float) -> str:
    """Record the spans and logs of one call through the gateway to the auth service."""
    bad = status >= 400  # noqa: PLR2004  (the HTTP error classes)
    root = made.span("", "case", "internal", RUNNER, 0, total_ms + 6)
    call = made.span(root, method, "client", RUNNER, 2, total_ms, url__path=path)
    door = made.span(
        call, f"{method} {path}", "server", "gateway", 2.8, total_ms - 1.4,
        failed=status >= 500, http__response__status_code=status,  # noqa: PLR2004
    )  # fmt: skip
    made.span(door, "EVALSHA rate-limit", "client", "gateway", 3.4, 0.7, db__system="redis")
    made.log(door, "gateway", "info", 3.2, "request received", method=method, path=path)
    out = made.span(door, "POST", "client", "gateway", 4.6, total_ms - 5)
    auth = made.span(out, "GET /internal/tenants", "server", "auth-service", 5.2, total_ms - 6.2)
    made.span(
        auth, "find tenants", "client", "auth-service", 6.1, total_ms / 3, db__system="mongodb"
    )
    made.log(auth, "auth-service", "debug", 6.4, "tenant looked up", tenant_id=TENANT_ID)
    if bad:
        made.log(auth, "auth-service", "warning", total_ms - 3, "tenant is not known")
        made.log(door, "gateway", "error", total_ms - 1, "upstream answered 404", upstream="auth")
    made.log(door, "gateway", "info", total_ms, "request completed", status=status)
    made.duration_ms = round(total_ms + 6, 3)
    made.steps = (Step(name="ask the front door", offset_ms=1.0, duration_ms=total_ms + 2),)
    return call


def _health(made: Evidence) -> None:
    total_ms = made.jitter.uniform(8, 14)
    span = _front_door(made, "/health", "GET", 200, total_ms)
    _http(made, "gateway", "GET", "/health", 200, None,
          {"status": "ok", "service": "gateway", "version": "0.1.0"}, total_ms, span)  # fmt: skip
    made.check("alive", "The service is alive", ("status", "200", "200"),
               ("body.status", '"ok"', '"ok"'))  # fmt: skip
    made.check("named", "It says who it is", ("body.service", '"gateway"', '"gateway"'))


def _register(made: Evidence) -> None:
    good = made.verdict is Verdict.PASSED
    status = 201 if good else 500
    total_ms = made.jitter.uniform(60, 95)
    span = _front_door(made, "/v1/client/register", "POST", status, total_ms)
    company = {"company_name": "Acme", "email": "admin@acme.example", "password": "[redacted]"}
    answer = (
        {"client_id": "c-1", "tenant_id": TENANT_ID, "api_key": "[redacted]", "plan": "business"}
        if good
        else {"error": "write conflict", "statusCode": 500}
    )
    _http(made, "gateway", "POST", "/v1/client/register", status, company, answer, total_ms, span)
    made.check("created", "The tenant is made", ("status", "201", str(status)))
    made.check(
        "complete",
        "The answer names the tenant and its keys",
        ("body.tenant_id", "a UUID", "a UUID" if good else "absent"),
        ("body.api_key", "a key", "a key" if good else "absent"),
    )


def _session(made: Evidence) -> None:
    total_ms = made.jitter.uniform(18, 30)
    span = _front_door(made, "/v1/sdk/session", "POST", 200, total_ms)
    answer = {
        "access_token": "[redacted]",
        "refresh_token": "[redacted]",
        "expires_in": 900,
        "user": {"external_id": "alice", "tenant_id": TENANT_ID},
    }
    _http(made, "gateway", "POST", "/v1/sdk/session", 200, {"external_id": "alice"}, answer,
          total_ms, span)  # fmt: skip
    made.check("opened", "The session is open", ("status", "200", "200"))
    made.check("user", "It is the user's", ("body.user.external_id", '"alice"', '"alice"'),
               ("body.expires_in", "900", "900"))  # fmt: skip


def _tenant(made: Evidence) -> None:
    bad = made.verdict is Verdict.FAILED
    status = 404 if bad else 200
    total_ms = made.jitter.uniform(20, 44)
    span = _front_door(made, "/v1/tenant", "GET", status, total_ms)
    answer = (
        {"statusCode": 404, "error": "Not Found", "message": f"Tenant {TENANT_ID} not found"}
        if bad
        else {"tenant_id": TENANT_ID, "company_name": "Acme", "plan": "business"}
    )
    _http(made, "gateway", "GET", "/v1/tenant", status, None, answer, total_ms, span)
    made.check("found", "The tenant is known", ("status", "200", str(status)))
    made.check(
        "own-company",
        "It is the company that registered",
        ("body.company_name", '"Acme"', "absent" if bad else '"Acme"'),
        ("body.tenant_id", f'"{TENANT_ID}"', "absent" if bad else f'"{TENANT_ID}"'),
    )
    short = made.verdict is not Verdict.PASSED
    made.check(
        "limit-named", "The response says what is left of the limit",
        ("headers.x-ratelimit-reset", "seconds from now, 0 to 60", "absent" if short
         else "seconds from now, 0 to 60"), should=True,
    )  # fmt: skip


def _socket(made: Evidence) -> None:
    bad = made.verdict is Verdict.FAILED
    root = made.span("", "case", "internal", RUNNER, 0, 92)
    for node, (user, offset) in enumerate((("alice", 3.0), ("bob", 9.0)), start=1):
        service = f"socket-service-{node}"
        shake = made.span(root, "connect /chat", "server", service, offset, 8.5)
        made.log(shake, service, "info", offset + 6, "client connected", user=user)
        events = [
            WireEvent(offset_ms=offset, direction="sent", kind="connect", name="/chat", bytes=64),
            WireEvent(offset_ms=offset + 8, direction="received", kind="connect", bytes=58),
        ]
        if node == 1:
            send = made.span(root, "sendMessage", "server", service, 31, 14.5)
            made.span(send, "insert messages", "client", service, 33, 6.1, db__system="mongodb")
            made.span(send, "publish", "producer", service, 40, 2.0, messaging__system="redis")
            made.log(send, service, "info", 41, "message stored", message_id="m-1")
            events += [
                WireEvent(offset_ms=30, direction="sent", kind="event", name="sendMessage",
                          data='{"messageContent":"hello"}' + made.hostile, bytes=71),
                WireEvent(offset_ms=46, direction="received", kind="ack", name="sendMessage",
                          data='{"status":"ok","message_id":"m-1"}', bytes=48),
            ]  # fmt: skip
        else:
            made.span(root, "newMessage", "consumer", service, 44, 5.2)
            events.append(
                WireEvent(offset_ms=51, direction="received", kind="event", name="newMessage",
                          data='{"message_id":"m-1","messageContent":"hello"}', bytes=83)
            )  # fmt: skip
        made.exchanges += (
            Exchange(
                id=f"x{node}", protocol="socketio", service=service, method="CONNECT",
                url=f"ws://127.0.0.1:400{node + 1}/socket.io/chat", offset_ms=offset, status=101,
                timings=Timings(connect_ms=1.1, first_byte_ms=8, total_ms=92 - offset),
                events=tuple(events), step=node - 1,
            ),
        )  # fmt: skip
    made.steps = (
        Step(name="both users connect", offset_ms=1, duration_ms=18),
        Step(name="one speaks", offset_ms=29, duration_ms=61),
    )
    made.duration_ms = 92.4
    made.check("acknowledged", "The sender gets an ok", ("ack.status", '"ok"', '"ok"'))
    heard = "2 times" if bad else "once"
    made.check("delivered", "The other member hears it once", ("events.newMessage", "once", heard))


def _stream(made: Evidence) -> None:
    root = made.span("", "case", "internal", RUNNER, 0, 240)
    served = made.span(root, "POST /v1/chat/stream", "server", "chat-service", 4, 230)
    made.span(served, "hold credits", "client", "chat-service", 6, 8, url__path="/v1/holds")
    first = {"name": "first token", "offset_ms": 38.0, "attributes": {"chunk": 0}}
    made.span(
        served, "chat model", "client", "chat-service", 16, 210, gen_ai__system="fake",
        events=(first,), links=(f"{made.trace_id}:{root}",),
    )  # fmt: skip
    words = ("Credits ", "are ", "held ", "before ", "the ", "answer ", "starts.")
    chunks = [
        WireEvent(offset_ms=40 + 26 * index, direction="received", kind="chunk", name="delta",
                  data=f'{{"text":"{word}"}}', bytes=30 + len(word))
        for index, word in enumerate(words)
    ]  # fmt: skip
    done = WireEvent(offset_ms=229, direction="received", kind="event", name="done", bytes=22)
    made.exchanges = (
        Exchange(
            id="x1", protocol="sse", service="chat-service", method="POST",
            url="http://127.0.0.1:4010/v1/chat/stream", offset_ms=3, status=200,
            request=Message(body=_document({"message": "How do credits work?"}), body_bytes=38),
            timings=Timings(connect_ms=0.5, first_byte_ms=37, total_ms=228),
            events=(*chunks, done), span_id=served, step=0, retried=True,
            notes=("sent again on a fresh connection" + made.hostile,),
            response=Message(trailers=(("x-tokens", "7" + made.hostile),)),
        ),
    )  # fmt: skip
    made.log(served, "chat-service", "info", 15, "stream opened", hold="h-1")
    made.log(served, "chat-service", "info", 231, "stream closed", chunks=len(words))
    made.steps = (Step(name="ask and listen", offset_ms=2, duration_ms=232),)
    made.duration_ms = 240.8
    made.check("ordered", "Chunks arrive in order", ("events.delta", "7 in order", "7 in order"))
    made.check("done-once", "It ends once", ("events.done", "1", "1"))


_SCENARIOS: dict[str, Callable[[Evidence], None]] = {
    "health": _health,
    "register": _register,
    "session": _session,
    "tenant": _tenant,
    "socket": _socket,
    "stream": _stream,
}
