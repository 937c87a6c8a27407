"""Telemetry tells the truth: what is recorded of a request is what was on the wire.

With many requests in flight every span and every log line is in the trace of its own request.
They are told apart by content: each request has a correlation id of its own, which travels by
other code than the trace does. Services write one server span and one line for
each request, with the names of the OpenTelemetry semantic conventions.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.laws.facts import Book, Operation
from caas_conformance.laws.parties import Party
from caas_conformance.laws.world import World
from caas_conformance.wire.answer import Answer, ExchangeRecord
from caas_conformance.wire.evidence import Value, derived

LAW = "telemetry"
IN_FLIGHT = 64
EDGE_REFUSALS = (("GET", "/no/such/path"), ("PATCH", "/health"), ("BREW", "/health"))
CORRELATION = "correlation_id"
STATUS, METHOD, ROUTE = "http.response.status_code", "http.request.method", "http.route"
OTHER_METHOD = "_OTHER"
CLOCK_S = 1.5
"""How far the clocks of two machines may be apart, and how long one may stand still."""
SHOWN_MAX = 5
Record = Mapping[str, Any]


def telemetry(book: Book, phase_id: str) -> Phase:
    """Return the phase that sets what the services of *book* record beside the wire."""
    phase = Phase(
        phase_id,
        "Law: telemetry tells the truth",
        "One span and one line a request, in its own trace, with the wire's status and times.",
        tags=("law", "telemetry"),
    )
    for service in dict.fromkeys(operation.service for operation in book.operations):
        if book.access_line:
            _add(phase, book, service)
    return phase


def _add(phase: Phase, book: Book, service: str) -> None:
    letter = next(o.number[0] for o in book.operations if o.service == service)

    @phase.case(
        f"{phase.id}.{letter}00",
        f"{service}: with {IN_FLIGHT} requests in flight each is recorded once, as it was",
        proves="What people read in traces and logs happened, to the request they read it under.",
        requirements=book.requirements[LAW],
        tags=[service],
    )
    async def recorded_as_it_was(t: CaseContext) -> None:
        """Red when a record is missing, doubled, under another request, or tells a wrong value."""
        await crowd_is_recorded(World(t, book), service)

    @phase.case(
        f"{phase.id}.{letter}02",
        f"{service}: nothing of the client's choice but ids is recorded",
        proves="What people put into a path, a query or a header by mistake is not kept in logs.",
        requirements=book.requirements[LAW],
        tags=[service, "security"],
    )
    async def texts_are_not_recorded(t: CaseContext) -> None:
        """Red when a text that a client has chosen is found in a span or a log line."""
        await texts_stay_out(World(t, book), service)

    if book.database:

        @phase.case(
            f"{phase.id}.{letter}01",
            f"{service}: what it writes is seen being written",
            proves="Whoever looks for a slow or a missing write finds it in the trace.",
            requirements=book.requirements[LAW],
            tags=[service],
        )
        async def writes_are_recorded(t: CaseContext) -> None:
            """Red when an operation that leaves something changed shows no call to the database."""
            await writes_show(World(t, book), service)


async def crowd_is_recorded(world: World, service: str) -> None:
    """Send many at once, of every kind, and read what was recorded of each."""
    t = world.t
    party = await world.party()
    requests = await _requests(world, party, service)
    crowd = [requests[n % len(requests)](n // len(requests)) for n in range(IN_FLIGHT)]
    async with t.step("at once"):
        answers = await asyncio.gather(*crowd)
    found = _Found((await t.recorded()).value, world.book.access_line)
    exchanges = [answer.exchange for answer in answers]
    _check_once(t, found, exchanges)
    _check_values(t, found, exchanges)
    _check_own_trace(t, found, exchanges)
    _check_times(t, found, exchanges)


async def _requests(
    world: World, party: Party, service: str
) -> list[Callable[[int], Awaitable[Answer]]]:
    """Return requests that succeed, that are refused, and that no route is there for."""
    found: list[Callable[[int], Awaitable[Answer]]] = []
    for operation in world.book.operations:
        if operation.service == service and operation.method == "GET":
            found += await _of_operation(world, party, operation)
    clients = world.t.instances(service)
    for method, path in EDGE_REFUSALS:
        found.append(
            lambda n, method=method, path=path: clients[n % len(clients)].request(  # type: ignore[misc]
                method, path
            )
        )
    return found


async def _of_operation(
    world: World, party: Party, operation: Operation
) -> list[Callable[[int], Awaitable[Answer]]]:
    if not operation.opens:
        return [lambda n: world.perform(operation, {}, party, {}, instance=n)]
    kind = operation.opens[0]
    credential = await world.credential(party, kind)
    names = await world.named(party, operation, kind)
    unknown = world.unknown(operation)
    return [
        lambda n: world.perform(operation, credential, party, names, instance=n),
        lambda n: world.perform(operation, {}, party, unknown, instance=n),
    ]


@dataclass(frozen=True)
class _Found:
    """What was recorded of an attempt."""

    view: Mapping[str, Any]
    access_line: str = ""

    @cached_property
    def spans(self) -> dict[str, Record]:
        """Every span by its id."""
        return {span["span_id"]: span for span in self.view["spans"]}

    @cached_property
    def served(self) -> dict[str, list[Record]]:
        """The server spans by the id of the span that called."""
        found: dict[str, list[Record]] = {}
        for span in self.view["spans"]:
            if span["kind"] == "server":
                found.setdefault(span["parent_span_id"], []).append(span)
        return found

    @cached_property
    def lines(self) -> dict[str, list[Record]]:
        """The access lines by the id of their span."""
        found: dict[str, list[Record]] = {}
        for log in self.view["logs"]:
            if log["message"] == self.access_line:
                found.setdefault(log["span_id"], []).append(log)
        return found

    def pairs(self, exchanges: Sequence[ExchangeRecord]) -> list[tuple[ExchangeRecord, Record]]:
        """Return each exchange with its server span, where it has one."""
        return [(x, self.served[x.span_id][0]) for x in exchanges if x.span_id in self.served]

    def root_of(self, span_id: str) -> str:
        """Return the id of the span above all recorded ones that this one hangs below."""
        seen: set[str] = set()
        while span_id in self.spans and span_id not in seen:
            seen.add(span_id)
            span_id = self.spans[span_id]["parent_span_id"]
        return span_id


def _check_once(t: CaseContext, found: _Found, exchanges: Sequence[ExchangeRecord]) -> None:
    spans = {x.id: len(found.served.get(x.span_id, ())) for x in exchanges}
    odd_spans = {x: times for x, times in spans.items() if times != 1}
    lines = {
        x.id: sum(len(found.lines.get(s["span_id"], ())) for s in found.served.get(x.span_id, ()))
        for x in exchanges
    }
    odd_lines = {x: times for x, times in lines.items() if times != 1}
    with t.check("once", "each request left one server span and one access line") as check:
        check.between(Value("requests", len(exchanges)), 1, IN_FLIGHT)
        check.equal(Value("requests without one server span", odd_spans), {})
        check.equal(Value("requests without one access line", odd_lines), {})


def _check_values(t: CaseContext, found: _Found, exchanges: Sequence[ExchangeRecord]) -> None:
    wrong = []
    for x, span in found.pairs(exchanges):
        line = next(iter(found.lines.get(span["span_id"], ())), {}).get("attributes", {})
        told = span["attributes"]
        method = x.method if told.get(METHOD) != OTHER_METHOD else OTHER_METHOD
        wanted = [x.method, x.status, x.correlation_id]
        in_span = [told.get(METHOD), told.get(STATUS), told.get(CORRELATION)]
        in_line = [line.get("method"), line.get("status"), line.get(CORRELATION)]
        if in_span != [method, *wanted[1:]] or in_line != [line.get("method", ""), *wanted[1:]]:
            wrong.append([x.id, wanted, in_span, in_line])
        if line.get("method") not in (x.method, OTHER_METHOD):
            wrong.append([x.id, x.method, line.get("method")])
        if line.get("route", "") != told.get(ROUTE, line.get("route", "")):
            wrong.append([x.id, told.get(ROUTE), line.get("route")])
    with t.check("values", "span and line tell the wire's method, status and id", go_on=True) as c:
        c.equal(Value("records that tell something else", wrong[:SHOWN_MAX]), [])


def _check_own_trace(t: CaseContext, found: _Found, exchanges: Sequence[ExchangeRecord]) -> None:
    named = {x.span_id: x.correlation_id for x in t.wire.exchanges}
    strange = [
        f"{record['service']}: {record.get('name') or record.get('message')}"
        for record in (*found.view["spans"], *found.view["logs"])
        if record["attributes"].get(CORRELATION)
        not in (None, named.get(found.root_of(record["span_id"])))
    ]
    of_crowd = {x.correlation_id for x in exchanges}
    whose = [r["attributes"].get(CORRELATION) for r in found.view["logs"]]
    with t.check("own", "no record lies under another request", go_on=True) as check:
        check.equal(Value("records under another request", strange[:SHOWN_MAX]), [])
        check.between(Value("lines", sum(c in of_crowd for c in whose)), 1, 100_000)


def _check_times(t: CaseContext, found: _Found, exchanges: Sequence[ExchangeRecord]) -> None:
    epoch_s = time.time() - time.perf_counter()
    wrong = []
    for x, span in found.pairs(exchanges):
        starts, ends = span["start_ns"] / 1e9, span["end_ns"] / 1e9
        early = x.started_at + epoch_s - CLOCK_S
        late = x.ended_at + epoch_s + CLOCK_S
        took_s, wire_s = ends - starts, x.ended_at - x.started_at
        line = next(iter(found.lines.get(span["span_id"], ())), {}).get("attributes", {})
        told_s = float(line.get("duration_ms", -1000)) / 1000
        if not (early <= starts <= ends <= late and 0 < took_s <= wire_s + CLOCK_S):
            wrong.append([x.id, "span", round(took_s, 4), "wire", round(wire_s, 4)])
        if abs(told_s - took_s) > took_s / 2 + 0.05:
            wrong.append([x.id, "line", round(told_s, 4), "span", round(took_s, 4)])
    with t.check("times", "spans and lines lie within the wire's times", go_on=True) as check:
        check.equal(Value("records at another time", wrong[:SHOWN_MAX]), [])


async def texts_stay_out(world: World, service: str) -> None:
    """Put a word of one's own into every place of a request, and look for it."""
    t = world.t
    party = await world.party()
    canary = t.unique("canary")
    headers = dict.fromkeys(
        ("user-agent", "referer", "origin", "x-canary", "accept-language"), canary
    )
    for operation in world.book.operations:
        if operation.service != service or not operation.opens or operation.itself:
            continue
        kind = operation.opens[0]
        for credential in (await world.credential(party, kind), {"authorization": canary}):
            await world.perform(
                operation, credential, party, dict.fromkeys(operation.parameters, canary),
                body={canary: canary}, query={canary: canary}, headers=headers,
            )  # fmt: skip
    answer = await t.service(service).get(f"/{canary}", headers=headers)
    recorded = await t.recorded()
    with t.check("absent", "the word is in no span and in no log line") as check:
        check.between(recorded.at("spans").length, 1, 100_000)
        check.between(recorded.at("logs").length, 1, 100_000)
        check.lacks(recorded.derive("text", repr), canary)
        check.status(answer, 404, because="no route is named by chance")


async def writes_show(world: World, service: str) -> None:
    """Do everything that leaves something changed, and find each write in its trace."""
    t, book = world.t, world.book
    done: list[tuple[Operation, Answer]] = []
    for operation in book.operations:
        if operation.service != service or not operation.writes or operation.itself:
            continue
        party = await world.party()  # another one each time: some of them shut doors
        kind = operation.opens[0] if operation.opens else ""
        credential = await world.holding(party, operation, kind) if kind else {}
        names = await world.named(party, operation, kind) if kind else {}
        if operation.ready is not None:
            await operation.ready(t, party)
        answer = await world.perform(operation, credential, party, names)
        world.keep_secrets(answer)
        done.append((operation, answer))
    found = _Found((await t.recorded()).value)
    called = {
        found.root_of(span["span_id"])
        for span in found.view["spans"]
        if book.database in (span["attributes"].get(k) for k in ("db.system.name", "db.system"))
    }
    silent = [o.name for o, a in done if a.exchange.span_id not in called]
    with t.check("writes", f"each of them shows its call to {book.database}") as check:
        for operation, answer in done:
            check.status(answer, operation.success)
        check.equal(derived("writes that nobody sees", silent, of=[a for _, a in done]), [])
