"""Gone is gone: what was ended is refused at every door within a second, and stays refused.

A door is an operation at an instance of its service: each has seen it alive before, and may have
kept it. Its neighbours live on.
"""

from collections.abc import Mapping

from caas_conformance.authoring.checks import Check
from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.laws.facts import Book, Operation
from caas_conformance.laws.parties import Party
from caas_conformance.laws.world import World
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.evidence import derived

LAW = "gone"
WITHIN_S = 1.0
LATER_TIMES = 6
REFUSED = (401, 403, 404)
UNAUTHORIZED = 401


def gone(book: Book, phase_id: str) -> Phase:
    """Return the phase that ends one of everything that can be ended."""
    phase = Phase(
        phase_id,
        "Law: gone is gone",
        "What was deleted, revoked or ended is refused by every door, and stays refused.",
        tags=("law", "security"),
    )
    for operation in book.operations:
        if operation.ends and operation.parameters and not operation.itself:
            _add(phase, book, operation)
    return phase


def _add(phase: Phase, book: Book, operation: Operation) -> None:
    @phase.case(
        f"{phase.id}.{operation.number}",
        f"{operation.service}: after {operation.name} it is gone at every door",
        proves="Nothing that was ended works again anywhere, and nothing else stops working.",
        requirements=book.requirements[LAW],
        tags=[operation.service],
    )
    async def is_gone(t: CaseContext) -> None:
        """Red when an ended thing is served from somewhere, or its neighbour went with it."""
        await gone_holds(World(t, book), operation)


async def gone_holds(world: World, operation: Operation) -> None:
    """End one of two, and ask every door for both."""
    t, book = world.t, world.book
    party = await world.party()
    await world.seen(party)
    kind = operation.opens[0]
    credential = await world.credential(party, kind)
    neighbour = await world.named(party, operation, kind)
    victim = await world.named(party, operation, kind)
    doors = book.doors(operation.ends, first=operation.service)
    lists = [
        one
        for one in sorted(book.operations, key=lambda o: o.service != operation.service)
        if one.lists == operation.ends and kind in one.opens
    ]
    asked = _Asked(world, operation, party, kind)
    async with t.step("before"):
        for door in doors:
            await asked.shows(door, victim, "before")
        await asked.wields(victim, "before")
    async with t.step("end it"):
        answer = await world.perform(operation, credential, party, victim)
        with t.check("ended", "it is ended") as check:
            check.status(answer, operation.success)
    async with t.step("gone"):
        for door in doors:
            await asked.refuses(door, victim)
        for one in lists:
            await asked.lists(one, gone=victim, there=neighbour)
        await asked.useless(victim)
    async with t.step("neighbour"):
        for door in doors:
            await asked.shows(door, neighbour, "neighbour")
        await asked.wields(neighbour, "neighbour")


class _Asked:
    """The doors by which one thing can be seen, or by which it lets its holder in."""

    def __init__(self, world: World, operation: Operation, party: Party, kind: str) -> None:
        self._world = world
        self._operation = operation
        self._party = party
        self._kind = kind

    async def shows(self, door: Operation, names: Mapping[str, str], when: str) -> None:
        """Check that *door* shows it."""
        answers = [await self._look(door, names, n) for n in self._world.instances(door)]
        with self._check(f"{when}-{door.number}", f"{door.service} {door.name} shows it") as check:
            for answer in answers:
                check.status(answer, door.success)

    async def refuses(self, door: Operation, names: Mapping[str, str]) -> None:
        """Check that *door* no longer knows it within a second, and never again."""
        t = self._world.t
        for n in self._world.instances(door):
            await t.until(
                lambda n=n: self._look(door, names, n),  # type: ignore[misc]
                lambda a: a.status in REFUSED,
                within_s=WITHIN_S,
            )
        later = [await self._look(door, names, n) for n in range(LATER_TIMES)]
        with self._check(f"gone-{door.number}", f"{door.service} {door.name} is done with it") as c:
            c.status(later[0], REFUSED, because="which of them is the service's choice")
            found = sorted({str(answer.status) for answer in later})
            c.equal(derived("every later answer", found, of=later), [str(later[0].status)])

    async def lists(
        self, one: Operation, *, gone: Mapping[str, str], there: Mapping[str, str]
    ) -> None:
        """Check that a list has the neighbour and no longer what was ended."""
        resource = next(r for r in self._world.book.resources if r.name == one.lists)
        answer = await self._look(one, there)
        with self._check(f"list-{one.number}", f"{one.service} {one.name} has dropped it") as check:
            check.status(answer, one.success)
            check.contains(answer.text, there[resource.parameter])
            check.lacks(answer.text, gone[resource.parameter])

    async def wields(self, names: Mapping[str, str], when: str) -> None:
        """Check that whoever holds it gets in, where it is a credential itself."""
        for use, headers in self._uses(names):
            answers = [await self._use(use, headers, n) for n in self._world.instances(use)]
            with self._check(f"{when}-use-{use.number}", f"it opens {use.service} {use.name}") as c:
                for answer in answers:
                    c.status(answer, use.success)

    async def useless(self, names: Mapping[str, str]) -> None:
        """Check that it opens nothing within a second, and never again."""
        t = self._world.t
        for use, headers in self._uses(names):
            for n in self._world.instances(use):
                await t.until(
                    lambda use=use, headers=headers, n=n: self._use(use, headers, n),  # type: ignore[misc]
                    lambda a: a.status == UNAUTHORIZED,
                    within_s=WITHIN_S,
                )
            later = [await self._use(use, headers, n) for n in range(LATER_TIMES)]
            with self._check(f"useless-{use.number}", f"it opens no {use.name}") as check:
                found = sorted({str(answer.status) for answer in later})
                check.equal(derived("every later answer", found, of=later), ["401"])

    def _check(self, check_id: str, title: str) -> Check:
        return self._world.t.check(check_id.lower(), title, go_on=True)

    async def _look(self, door: Operation, names: Mapping[str, str], n: int = 0) -> Answer:
        kind = self._kind if self._kind in door.opens else door.opens[0]
        credential = await self._world.credential(self._party, kind)
        known = {p: names[p] for p in door.parameters if p in names}
        if len(known) < len(door.parameters):
            known = {**await self._world.named(self._party, door, kind), **known}
        return await self._world.perform(door, credential, self._party, known, instance=n)

    def _uses(self, names: Mapping[str, str]) -> list[tuple[Operation, Mapping[str, str]]]:
        held = [self._party.wielded[name] for name in names.values() if name in self._party.wielded]
        return [
            (use, headers)
            for kind, headers in held
            for use in self._world.book.readable
            if kind in use.opens
        ]

    async def _use(self, use: Operation, headers: Mapping[str, str], n: int = 0) -> Answer:
        return await self._world.perform(use, headers, self._party, {}, instance=n)
