"""Once is once: under one idempotency key a thing is made once, however often it is asked for.

A stored answer passes every guard that the request would have to pass, and is nobody else's.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.laws.facts import Book, Operation
from caas_conformance.laws.parties import Party
from caas_conformance.laws.world import World
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.evidence import Value, derived

LAW = "once"
AT_ONCE = 8
OTHER_BODY = 422
WORDS = "a law knows statuses; the words are the service's choice"
FORBIDDEN = 403
REFUSED = (401, 403)


def once(book: Book, phase_id: str) -> Phase:
    """Return the phase that repeats each operation of *book* that takes an idempotency key."""
    phase = Phase(
        phase_id,
        "Law: once is once",
        "A creation that is repeated under its key has one effect and one answer, for one caller.",
        tags=("law", "idempotency"),
    )
    for operation in book.operations:
        if operation.idempotent:
            _add(phase, book, operation)
    return phase


def _add(phase: Phase, book: Book, operation: Operation) -> None:
    @phase.case(
        f"{phase.id}.{operation.number}",
        f"{operation.service}: {operation.name} happens once under one key",
        proves="A client that asks again, or twice at once, gets what it got and nothing more.",
        requirements=book.requirements[LAW],
        tags=[operation.service],
    )
    async def happens_once(t: CaseContext) -> None:
        """Red when a repetition has an effect, or somebody else gets the stored answer."""
        await once_holds(World(t, book), operation)


@dataclass(slots=True)
class _Keyed:
    """One operation under one idempotency key and with one body."""

    world: World
    operation: Operation
    party: Party
    names: Mapping[str, str]
    key: str
    body: Any

    async def send(self, credential: Mapping[str, str], **other: Any) -> Answer:
        """Ask for it; *other* replaces body, names or instance."""
        answer = await self.world.perform(
            self.operation,
            credential,
            self.party,
            other.get("names", self.names),
            body=other.get("body", self.body),
            headers={"idempotency-key": other.get("key", self.key)},
            instance=other.get("instance", 0),
        )
        self.world.keep_secrets(answer)
        return answer


async def once_holds(world: World, operation: Operation) -> None:
    """Repeat it one after the other and at once, at every instance, then as somebody else."""
    t = world.t
    party = await world.party()
    kind = operation.opens[0] if operation.opens else ""
    credential = await world.credential(party, kind) if kind else {}
    names = await world.named(party, operation, kind) if kind else {}
    keyed = _Keyed(
        world, operation, party, names, t.unique("key"), world.valid_body(operation, party)
    )
    await world.seen(party)
    before = await world.seen(party)
    async with t.step("one after the other"):
        first = await keyed.send(credential)
        again = await keyed.send(credential, instance=1)
        with t.check("repeated", "the second request gets the first one's answer") as check:
            check.status(first, operation.success)
            check.status(again, operation.success)
            check.equal(again.body, first.body)
    async with t.step("at once"):
        one = await world.seen(party)
        crowd = _Keyed(
            world, operation, party, names, t.unique("key"), world.valid_body(operation, party)
        )
        answers = await asyncio.gather(
            *(crowd.send(credential, instance=n) for n in range(AT_ONCE))
        )
        after = await world.seen(party)
        with t.check("simultaneous", f"{AT_ONCE} at once have one answer") as check:
            for answer in answers:
                check.status(answer, operation.success)
            check.equal(_distinct(answers, operation), 1)
            if operation.makes:
                grown = Value("what grew with the crowd", _steps(one, after))
                check.equal(grown, _steps(before, one), "as with a single one")
    await _not_for_others(world, keyed, credential)


async def _not_for_others(world: World, keyed: _Keyed, credential: Mapping[str, str]) -> None:
    t, operation, party = world.t, keyed.operation, keyed.party
    first = await keyed.send(credential)
    other_body = await keyed.send(credential, body=world.valid_body(operation, party))
    if operation.body_varies:
        with t.check("other-body", "another body under the key is refused", go_on=True) as check:
            check.status(other_body, OTHER_BODY, because=WORDS)
    if not operation.opens:
        return
    anonymous = await keyed.send({})
    with t.check(
        "anonymous", "without a credential there is no stored answer", go_on=True
    ) as check:
        check.status(anonymous, REFUSED, because="which of the two is the service's own choice")
    for name in operation.opens:
        kind = world.book.kind(name)
        if kind.narrows and operation.scope:
            weak = await keyed.send(await world.lacking(party, operation, name))
            with t.check(f"weaker-{name}", "nor for who lacks the scope", go_on=True) as check:
                check.status(weak, FORBIDDEN, because=WORDS)
        if name not in world.book.principals.of_parties:
            continue
        stranger = await world.party()
        theirs = await keyed.send(
            await world.credential(stranger, name),
            names=await world.named(stranger, operation, name),
        )
        with t.check(f"stranger-{name}", "another party gets an answer of its own") as check:
            check.differs(theirs.at(operation.id_at), first.at(operation.id_at))


def _distinct(answers: list[Answer], operation: Operation) -> Value:
    ids = {str(answer.at(operation.id_at).value) for answer in answers}
    return derived("different things made", len(ids), of=answers)


def _steps(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, float]:
    """Return by how much each number and each list grew, by its path."""
    grown: dict[str, float] = {}
    sizes = [dict(_sizes("", state)) for state in (before, after)]
    for path in sizes[1]:
        if sizes[1][path] != sizes[0].get(path, 0):
            grown[path] = sizes[1][path] - sizes[0].get(path, 0)
    return grown


def _sizes(path: str, value: Any) -> list[tuple[str, float]]:
    if isinstance(value, dict):
        return [pair for name, v in value.items() for pair in _sizes(f"{path}.{name}", v)]
    if isinstance(value, list) and path.count(".") > 1:
        return [(f"{path}.length", len(value))]
    if isinstance(value, list):
        return [pair for n, v in enumerate(value) for pair in _sizes(f"{path}.{n}", v)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [(path, value)]
    return []
