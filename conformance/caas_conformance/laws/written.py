"""Read what was written, and nothing else changed.

Every member comes back as it was written from every place that shows it. A write changes what it
names and nothing else of all that its party can read; simultaneous writes of different members
both survive.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.laws.changes import Seen, changes_between
from caas_conformance.laws.facts import Book, Operation
from caas_conformance.laws.parties import Party
from caas_conformance.laws.world import World
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.evidence import MISSING, Value

LAW = "written"


def written(book: Book, phase_id: str) -> Phase:
    """Return the phase that writes with each changing operation of *book* and reads it back."""
    phase = Phase(
        phase_id,
        "Law: what was written",
        "What was written is read, everywhere; what was not named stays as it was.",
        tags=("law",),
    )
    for operation in book.operations:
        if operation.changes and operation.visible and operation.body is not None:
            _add(phase, book, operation)
    return phase


def _add(phase: Phase, book: Book, operation: Operation) -> None:
    @phase.case(
        f"{phase.id}.{operation.number}",
        f"{operation.service}: {operation.name} changes what it names, and only that",
        proves="A change arrives everywhere it shows, loses no other one and touches nothing else.",
        requirements=book.requirements[LAW],
        tags=[operation.service],
    )
    async def read_as_written(t: CaseContext) -> None:
        """Red when a member is dropped, a reader is behind, or a neighbour was overwritten."""
        await writes_hold(World(t, book), operation)


async def writes_hold(world: World, operation: Operation) -> None:
    """Write everything, then each member alone, then all members at once."""
    t = world.t
    party = await world.party()
    await world.seen(party)
    writer = _Writer(world, operation, party)
    whole = world.valid_body(operation, party)
    async with t.step("everything"):
        before = await world.seen(party)
        await writer.write(whole, "all")
        await writer.reads_back(whole, "all")
        await writer.only_changed(before, whole, "all")
    for member in leaves(world.valid_body(operation, party)):
        alone = only(world.valid_body(operation, party), member)
        word = "-".join(member).replace("_", "-").lower()
        async with t.step(f"only {'.'.join(member)}"):
            before = await world.seen(party)
            await writer.write(alone, word)
            await writer.reads_back(alone, word)
            await writer.only_changed(before, alone, word)
    async with t.step("all members at once"):
        fresh = world.valid_body(operation, party)
        parts = [only(fresh, member) for member in leaves(fresh)]
        if len(parts) > 1:
            answers = await asyncio.gather(*(writer.send(part) for part in parts))
            with t.check("simultaneous", "each of them is taken") as check:
                for answer in answers:
                    check.status(answer, operation.success)
            await writer.reads_back(fresh, "simultaneous")


class _Writer:
    """Writes with one operation as the first kind that may, and reads at every door."""

    def __init__(self, world: World, operation: Operation, party: Party) -> None:
        self._world = world
        self._operation = operation
        self._party = party
        self._kind = operation.opens[0]
        self._doors = world.book.doors(operation.changes, first=operation.service)

    async def send(self, body: Mapping[str, Any]) -> Answer:
        """Write *body*."""
        world = self._world
        credential = await world.credential(self._party, self._kind)
        names = await world.named(self._party, self._operation, self._kind)
        return await world.perform(self._operation, credential, self._party, names, body=body)

    async def write(self, body: Mapping[str, Any], word: str) -> None:
        """Write *body*, which is taken."""
        answer = await self.send(body)
        with self._world.t.check(f"taken-{word}", "the change is taken") as check:
            check.status(answer, self._operation.success)

    async def reads_back(self, body: Mapping[str, Any], word: str) -> None:
        """Check that every door which shows a member shows it as written, and that one does."""
        world, shown = self._world, set()
        for door in self._doors:
            kind = self._kind if self._kind in door.opens else door.opens[0]
            credential = await world.credential(self._party, kind)
            names = await world.named(self._party, door, kind)
            answer = await world.perform(door, credential, self._party, names)
            members = [m for m in leaves(body) if answer.at(*m).value is not MISSING]
            shown.update(members)
            if not members:
                continue
            check_id = f"read-{word}-{door.number.lower()}"
            title = f"{door.service} {door.name} shows what was written"
            with world.t.check(check_id, title, go_on=True) as check:
                for member in members:
                    check.equal(answer.at(*member), _at(body, member))
        unseen = [".".join(m) for m in leaves(body) if m not in shown]
        with world.t.check(f"shown-{word}", "every member shows somewhere", go_on=True) as check:
            check.equal(Value("members that no door shows", unseen), [])

    async def only_changed(self, before: Seen, body: Mapping[str, Any], word: str) -> None:
        """Check that nothing changed but what *body* names."""
        after = await self._world.seen(self._party)
        named = {member[-1] for member in leaves(body)}
        touched = changes_between(before, after, but=named | self._world.book.touched)
        with self._world.t.check(f"frame-{word}", "nothing else changed", go_on=True) as check:
            check.equal(touched, {})


Member = tuple[str, ...]


def leaves(body: Any, at: Member = ()) -> list[Member]:
    """Return the paths of a body's members, a list or an open object being one member."""
    if isinstance(body, dict) and body and len(at) < 2:  # noqa: PLR2004 - settings are nested once
        return [leaf for name, value in body.items() for leaf in leaves(value, (*at, name))]
    return [at]


def only(body: Any, member: Member) -> Any:
    """Return a body with nothing but one member of *body*."""
    value = _at(body, member)
    for name in reversed(member):
        value = {name: value}
    return value


def _at(body: Any, member: Member) -> Any:
    for name in member:
        body = body[name]
    return body
