"""Health and faults: what is away is said, what comes back works, and nothing is lost between.

While a dependency is away every answer is the one it would be, or 503 with Retry-After. The suite
says how to take something away; these cases run last and alone.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.laws.facts import Book, Operation
from caas_conformance.laws.parties import Party
from caas_conformance.laws.wide.facts import Death, Outage
from caas_conformance.laws.world import World
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.client import ServiceClient
from caas_conformance.wire.evidence import derived

LAW = "faults"
OK, UNAVAILABLE = 200, 503
NOTICED_WITHIN_S = 2.0
BACK_WITHIN_S = 10.0
RETRY_MAX_S = 60
COUNTED = 7
SAMPLES = 20
BUDGET_TIMES, BUDGET_S = 60, 0.1
"""An operation's p95 may be so many times the health check's, and so much more."""
_COUNT = re.compile(
    r"^http_server_request_duration_seconds_count\{(?P<labels>[^}]*)\} (?P<value>\S+)$",
    re.MULTILINE,
)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def faults(book: Book, phase_id: str) -> Phase:
    """Return the phase that takes away what *book* says can be taken away."""
    phase = Phase(
        phase_id,
        "Law: health and faults",
        "Dependencies go and come back, services are killed: what is told is so, nothing is lost.",
        tags=("law", "faults"),
        alone=True,
    )
    for service in dict.fromkeys(operation.service for operation in book.operations):
        if book.metrics_path:
            _add_counts(phase, book, service)
        _add_budget(phase, book, service)
    for outage in book.outages:
        _add_outage(phase, book, outage)
    for death in book.deaths:
        _add_death(phase, book, death)
    return phase


def _add_outage(phase: Phase, book: Book, outage: Outage) -> None:
    @phase.case(
        f"{phase.id}.{outage.number}",
        f"While {outage.what} is away services say so, and afterwards all is as before",
        proves="Clients are told to try again, not that something is wrong with them.",
        requirements=book.requirements[LAW],
        tags=["greybox"],
        timeout_s=60.0,
        errors_logged_because=f"{outage.what} is away",
    )
    async def is_said(t: CaseContext) -> None:
        """Red when readiness says nothing, an answer is a 500 or a lie, or something stays away."""
        await outage_holds(World(t, book), outage)


def _add_death(phase: Phase, book: Book, death: Death) -> None:
    @phase.case(
        f"{phase.id}.{death.number}",
        f"{death.what}, killed, is back within seconds, and what was told before still holds",
        proves="A crash costs the requests of its moment, and nothing that was promised.",
        requirements=book.requirements[LAW],
        tags=["greybox"],
        timeout_s=60.0,
        untraced_because="a killed process takes its last records along",
        errors_logged_because=f"{death.what} was killed",
    )
    async def comes_back(t: CaseContext) -> None:
        """Red when it stays away, or comes back without what it had acknowledged."""
        await death_holds(World(t, book), death)


def _add_counts(phase: Phase, book: Book, service: str) -> None:
    letter = next(o.number[0] for o in book.operations if o.service == service)

    @phase.case(
        f"{phase.id}.{letter}01",
        f"{service}: metrics count every class of answer",
        proves="Dashboards and alerts are about what happened.",
        requirements=book.requirements[LAW],
        tags=[service],
    )
    async def metrics_count(t: CaseContext) -> None:
        """Red when a success, a refusal or an unknown path is not counted, or twice."""
        await metrics_hold(World(t, book), service)


def _add_budget(phase: Phase, book: Book, service: str) -> None:
    letter = next(o.number[0] for o in book.operations if o.service == service)

    @phase.case(
        f"{phase.id}.{letter}02",
        f"{service}: no reading takes out of all proportion",
        proves="An operation that has become slow is seen on any machine.",
        requirements=book.requirements[LAW],
        tags=[service],
    )
    async def in_proportion(t: CaseContext) -> None:
        """Red when an operation's p95 is over its budget, relative to the health check's."""
        await budget_holds(World(t, book), service)


async def outage_holds(world: World, outage: Outage) -> None:
    """Take it away, look at everything, and let it come back."""
    t = world.t
    party, asked = await _prepared(world)
    async with t.step("away"), outage.away(t):
        said, alive, answers = await asyncio.gather(
            _ready_everywhere(world, UNAVAILABLE, NOTICED_WITHIN_S),
            asyncio.gather(*(client.get(world.book.health_path) for _, client in _all(world))),
            asyncio.gather(*(_ask(world, o, party, n) for o, n in asked)),
        )
    with t.check("unready", "readiness says so at every instance, which is alive") as check:
        for answer in said:
            check.status(answer, UNAVAILABLE)
        for answer in alive:
            check.status(answer, OK)
    told = Counter(f"{o.name}: {a.status}" for (o, _), a in zip(asked, answers, strict=True)
                   if a.status not in (o.success, UNAVAILABLE))  # fmt: skip
    away = [answer for answer in answers if answer.status == UNAVAILABLE]
    with t.check("told", "every answer is the usual one or 503 with Retry-After") as check:
        check.equal(derived("other answers", dict(told), of=answers), {})
        for answer in away:
            wait = answer.header("retry-after").derive("seconds", int)
            check.between(wait, 1, RETRY_MAX_S)
    await _all_is_well(world, party, asked)


async def death_holds(world: World, death: Death) -> None:
    """Kill it, wait until it is back, and look whether what was acknowledged still holds."""
    t = world.t
    party, asked = await _prepared(world)
    ending = next(
        o for o in world.book.operations if o.ends and o.parameters and o.opens and not o.itself
    )
    kind = ending.opens[0]
    credential = await world.credential(party, kind)
    victim = await world.named(party, ending, kind)
    ended = await world.perform(ending, credential, party, victim)
    with t.check("ended", "something is ended before") as check:
        check.status(ended, ending.success)
    await t.wait(death.acknowledged_s)
    await t.flushed()
    async with t.step("killed"):
        await death.kill(t)
    await _all_is_well(world, party, asked)
    again = await world.perform(ending, credential, party, victim)
    with t.check("still-ended", "what was ended before is still ended") as check:
        check.status(again, (404, 410), because="which of them is the service's choice")


async def metrics_hold(world: World, service: str) -> None:
    """Send a known number of requests of each class, and read the difference."""
    t, book = world.t, world.book
    party = await world.party()
    client = t.service(service)
    reading = next(o for o in book.readable if o.service == service and not o.parameters)
    kind = next(k for k in reading.opens)
    credential = await world.credential(party, kind)
    before = await client.get(book.metrics_path)
    for _ in range(COUNTED):
        await world.perform(reading, credential, party, {})
        await world.perform(reading, {}, party, {})
        await client.get("/no/such/path")
        await client.request("PATCH", reading.path)
    after = await client.get(book.metrics_path)
    grown = _counts(after)
    grown.subtract(_counts(before))
    found = {
        name: sum(n for (route, status), n in grown.items() if status == code and route in routes)
        for name, code, routes in (
            ("done", str(reading.success), (reading.path,)),
            ("refused", "401", (reading.path,)),
            ("unknown path", "404", ("", "/", "unmatched", "_OTHER")),
            ("wrong method", "405", (reading.path, "", "_OTHER")),
        )
    }
    with t.check("counted", "each class of answer grew by what was sent") as check:
        check.status(after, OK)
        told = derived("answers counted", found, of=[before, after])
        check.equal(told, dict.fromkeys(found, COUNTED))


async def budget_holds(world: World, service: str) -> None:
    """Time each reading one by one, beside the health check."""
    t, book = world.t, world.book
    party = await world.party()
    await world.seen(party)
    client = t.service(service)
    health = [await client.get(book.health_path) for _ in range(SAMPLES)]
    budget_s = BUDGET_TIMES * _p95_s(health) + BUDGET_S
    slow: dict[str, float] = {}
    answers = list(health)
    for operation in book.operations:
        if operation.service == service and operation.method == "GET" and operation.opens:
            kind = operation.opens[0]
            credential = await world.credential(party, kind)
            names = await world.named(party, operation, kind)
            timed = [
                await world.perform(operation, credential, party, names) for _ in range(SAMPLES)
            ]
            answers += timed
            if _p95_s(timed) > budget_s:
                slow[operation.name] = round(_p95_s(timed), 3)
    with t.check("budget", "each p95 is within its budget") as check:
        told = derived("p95 in s of those over it", slow, of=answers)
        check.equal(told, {}, f"the budget is {budget_s:.3f} s")
        check.between(derived("readings", len(answers), of=answers), SAMPLES + 1, 10_000)


async def _prepared(world: World) -> tuple[Party, list[tuple[Operation, int]]]:
    """Make a party, and ask everything once at every instance, so that all is warm."""
    party = await world.party()
    await world.seen(party)
    asked = [(o, n) for o in world.book.readable for n in world.instances(o)]
    for operation, n in asked:
        await _ask(world, operation, party, n)
    return party, asked


async def _ask(world: World, operation: Operation, party: Party, n: int) -> Answer:
    kind = next(k for k in world.book.principals.observers if k in operation.opens)
    credential = await world.credential(party, kind)
    names = await world.named(party, operation, kind)
    return await world.perform(operation, credential, party, names, instance=n)


async def _all_is_well(world: World, party: Party, asked: Sequence[tuple[Operation, int]]) -> None:
    t = world.t
    async with t.step("back"):
        said = await _ready_everywhere(world, OK, BACK_WITHIN_S)
        with t.check("ready", "readiness returns at every instance") as check:
            for answer in said:
                check.status(answer, OK)
        for number, (operation, n) in enumerate(asked):
            answer = await t.until(
                lambda operation=operation, n=n: _ask(world, operation, party, n),  # type: ignore[misc]
                lambda a, operation=operation: a.status == operation.success,  # type: ignore[misc]
                within_s=NOTICED_WITHIN_S,
            )
            with t.check(f"works-{number}", f"{operation.name} works again", go_on=True) as check:
                check.status(answer, operation.success)


async def _ready_everywhere(world: World, status: int, within_s: float) -> list[Answer]:
    """Ask each instance until it says so, and return what each said last."""
    return await asyncio.gather(
        *(
            world.t.until(
                lambda client=client: client.get(world.book.ready_path),  # type: ignore[misc]
                lambda answer: answer.status == status,
                within_s=within_s,
            )
            for _, client in _all(world)
        )
    )


def _all(world: World) -> list[tuple[str, ServiceClient]]:
    """Return a client of every instance of every service."""
    services = dict.fromkeys(operation.service for operation in world.book.operations)
    return [(service, client) for service in services for client in world.t.instances(service)]


def _counts(answer: Answer) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for match in _COUNT.finditer(answer.content.decode()):
        labels = dict(_LABEL.findall(match["labels"]))
        key = labels.get("http_route", ""), labels.get("http_response_status_code", "")
        found[key] += int(float(match["value"]))
    return found


def _p95_s(answers: Sequence[Answer]) -> float:
    times = sorted(a.exchange.ended_at - a.exchange.started_at for a in answers)
    return times[int(len(times) * 0.95) - 1] if times else 0.0
