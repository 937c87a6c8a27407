"""Limits: counted over all instances and ways, exact at the edge, and they say when they end.

For every quota in the table of facts. Half of what counts is sent unsampled, as in production.
"""

import asyncio
import itertools
from collections.abc import Sequence

from caas_conformance.authoring.checks import Check
from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.laws.facts import Book
from caas_conformance.laws.parties import Party
from caas_conformance.laws.wide.facts import Quota, Way
from caas_conformance.laws.world import World
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.evidence import Value, derived

LAW = "limits"
ONE_BY_ONE = 8
BEYOND = 8
WAIT_MAX_S = 12
AFTER_S = 0.25
TOO_MANY = 429
LIMIT, REMAINING, RESET = (f"x-ratelimit-{name}" for name in ("limit", "remaining", "reset"))
RETRY_AFTER = "retry-after"


def limits(book: Book, phase_id: str) -> Phase:
    """Return the phase that spends every quota of *book*."""
    phase = Phase(
        phase_id,
        "Law: limits",
        "Who asks too often is refused, wherever and however it asks, and told until when.",
        tags=("law", "rate"),
    )
    for quota in book.quotas:
        _add(phase, book, quota)
    return phase


def _add(phase: Phase, book: Book, quota: Quota) -> None:
    @phase.case(
        f"{phase.id}.{quota.number}",
        f"{quota.what}: the limit is one, exact, and ends when it says",
        proves="Nobody gets more than the limit by asking elsewhere, and nobody else gets less.",
        requirements=book.requirements[LAW],
        timeout_s=60.0,
    )
    async def limit_is_one(t: CaseContext) -> None:
        """Red when an instance, a way or a user has a count of its own, or the words are wrong."""
        await quota_holds(World(t, book), quota)


async def quota_holds(world: World, quota: Quota) -> None:
    """Spend the quota one by one, then at once, and see where it ends."""
    t = world.t
    party = await quota.party(t)
    asked = _Asked(world, quota, party)
    first = await asked.next()
    limit = quota.limit or _number(first, LIMIT)
    with t.check("limit", "the limit is known and a run can reach it") as check:
        _check_passed(check, first, quota)
        check.between(derived("limit", limit, of=[first]), 1, quota.limit_max)
    async with t.step("one by one"):
        counted = [first, *[await asked.next() for _ in range(min(ONE_BY_ONE, limit) - 1)]]
        if quota.tells:
            _check_falling(t, counted, limit, quota)
    async with t.step("at once"):
        free = limit - quota.spent
        rest = free - len(counted) + BEYOND
        answers = [*counted, *await asyncio.gather(*(asked.next() for _ in range(rest)))]
        refused = [answer for answer in answers if answer.status == TOO_MANY]
        admitted = [answer for answer in answers if answer.status == quota.passes]
        with t.check("exact", "as many pass as the limit says, and not one more") as check:
            check.equal(derived("passed", len(admitted), of=answers), free)
            check.equal(derived("refused", len(refused), of=answers), BEYOND)
    last = await _everywhere(world, quota, party)
    other = await quota.apart(t, party, 0)
    with t.check("others", "nobody else is refused for it") as check:
        _check_passed(check, other, quota)
    wait_s = _number(last, RETRY_AFTER)
    if 0 < wait_s <= WAIT_MAX_S:
        await t.wait(wait_s + AFTER_S)
        again = await asked.next()
        with t.check("again", "after Retry-After it is served") as check:
            _check_passed(check, again, quota)


async def _everywhere(world: World, quota: Quota, party: Party) -> Answer:
    """See it refused at every instance, whichever way; return the last refusal."""
    t = world.t
    answers: list[Answer] = []
    for way, instance in _places(world, quota):
        answers.append(await way(t, party, instance))
    with t.check("everywhere", "it is spent at every instance and whichever way") as check:
        for answer in answers:
            check.problem(answer, TOO_MANY, code=quota.code)
            wait = answer.header(RETRY_AFTER).derive("seconds", _whole)
            check.between(wait, 1, quota.window_s)
            if quota.tells:
                check.equal(answer.header(REMAINING), "0")
                reset = answer.header(RESET).derive("seconds", _whole)
                check.equal(reset, wait, "both are seconds from now")
    return answers[-1]


def _check_falling(t: CaseContext, answers: Sequence[Answer], limit: int, quota: Quota) -> None:
    with t.check("falling", "each answer counts one more, in one unit", go_on=True) as check:
        first = derived("remaining at first", _number(answers[0], REMAINING), of=answers[:1])
        check.equal(first, limit - quota.spent - 1)
        for answer in answers:
            check.equal(answer.header(LIMIT).derive("number", _whole), limit)
            check.between(answer.header(RESET).derive("seconds", _whole), 1, quota.window_s)
        for before, after in itertools.pairwise(answers):
            spent = _number(before, REMAINING) - _number(after, REMAINING)
            check.equal(derived("counted", spent, of=[before, after]), 1)
            later = _number(after, RESET) <= _number(before, RESET)
            check.equal(derived("reset comes nearer", later, of=[before, after]), expected=True)


def _check_passed(check: Check, answer: Answer, quota: Quota) -> None:
    if quota.reason:
        check.problem(answer, quota.passes, code=quota.reason)
    else:
        check.status(answer, quota.passes)


class _Asked:
    """Asks by one way after the other, at one instance after the other."""

    def __init__(self, world: World, quota: Quota, party: Party) -> None:
        self._context = world.t
        self._party = party
        self._places = itertools.cycle(_places(world, quota))

    async def next(self) -> Answer:
        """Send one request that counts."""
        way, instance = next(self._places)
        return await way(self._context, self._party, instance)


def _places(world: World, quota: Quota) -> list[tuple[Way, int]]:
    instances = range(len(world.t.instances(quota.service)))
    return [(way, instance) for way in quota.ways for instance in instances]


def _number(answer: Answer, name: str) -> int:
    found: Value = answer.header(name).derive("number", _whole)
    return found.value if isinstance(found.value, int) else -1


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1
