"""Sampled or not makes no difference to the answer.

Most requests in production are not recorded, and a run records all of them: what goes wrong only
in the others would never be seen.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.laws.changes import changes_between
from caas_conformance.laws.facts import Book, Operation
from caas_conformance.laws.parties import Party
from caas_conformance.laws.world import World
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.evidence import Value, derived

LAW = "unsampled"
MALFORMED = {"no-such-member": 1}
Send = Callable[[bool], Awaitable[Answer]]


def unsampled(book: Book, phase_id: str) -> Phase:
    """Return the phase that sends each operation of *book* recorded and unrecorded."""
    phase = Phase(
        phase_id,
        "Law: sampled or not",
        "A request that is not recorded is answered as one that is, and has the same effect.",
        tags=("law", "telemetry"),
    )
    for operation in book.operations:
        _add(phase, book, operation)
    return phase


def _add(phase: Phase, book: Book, operation: Operation) -> None:
    @phase.case(
        f"{phase.id}.{operation.number}",
        f"{operation.service}: {operation.name} does the same when it is not recorded",
        proves="What a run sees of a platform is what its users get.",
        requirements=book.requirements[LAW],
        tags=[operation.service],
    )
    async def same_unrecorded(t: CaseContext) -> None:
        """Red when status, headers or members depend on sampling, or the effect is missing."""
        await alike(World(t, book), operation)


async def alike(world: World, operation: Operation) -> None:
    """Send each kind of request twice, recorded and not, and compare."""
    t = world.t
    party = await world.party()
    for observer in world.book.principals.observers:
        await world.credential(party, observer)  # while the party lets everybody in
    sent = _Sent(world, operation, party)
    for name, send in sent.kinds().items():
        recorded, unrecorded = await send(True), await send(False)  # noqa: FBT003
        for answer in (recorded, unrecorded):
            world.keep_secrets(answer)
        with t.check(name, f"{name}: the same either way", go_on=True) as check:
            check.equal(_form(unrecorded), _form(recorded))
    if sent.kind and operation.visible and operation.writes:
        credential, names = await sent.holding()
        before = await world.seen(party)
        answer = await world.perform(operation, credential, party, names, sampled=False)
        world.keep_secrets(answer)
        with t.check("effect", "unrecorded, it has its effect", go_on=True) as check:
            check.status(answer, operation.success)
            if not operation.itself:
                check.differs(changes_between(before, await world.seen(party)), {})


class _Sent:
    """One operation, asked for in the ways that are answered differently."""

    def __init__(self, world: World, operation: Operation, party: Party) -> None:
        self.kind = operation.opens[0] if operation.opens else ""
        self._world = world
        self._operation = operation
        self._party = party
        self._narrow = next((k for k in operation.opens if world.book.kind(k).narrows), "")

    def kinds(self) -> dict[str, Send]:
        """Return the ways that there are."""
        operation = self._operation
        found: dict[str, Send] = {}
        if operation.repeatable and (
            self.kind or operation.method == "GET" or operation.body is not None
        ):
            found["done"] = self.done
        if self.kind:
            found["anonymous"] = self._anonymous
        if self._narrow and operation.scope:
            found["weak"] = self._weak
        if operation.body is not None:
            found["malformed"] = self._malformed
        return found or {"empty": self._anonymous}

    async def done(self, sampled: bool) -> Answer:  # noqa: FBT001
        """Ask as one who may."""
        operation, party = self._operation, self._party
        credential, names = await self.holding()
        if operation.ready is not None:
            await operation.ready(self._world.t, party)
        answer = await self._world.perform(operation, credential, party, names, sampled=sampled)
        if operation.itself:
            party.held.clear()  # what it ends may be any of them
        return answer

    async def _anonymous(self, sampled: bool) -> Answer:  # noqa: FBT001
        unknown = self._world.unknown(self._operation)
        return await self._world.perform(
            self._operation, {}, self._party, unknown, body=MALFORMED, sampled=sampled
        )

    async def _weak(self, sampled: bool) -> Answer:  # noqa: FBT001
        operation, party = self._operation, self._party
        names = await self._world.named(party, operation, self._narrow)
        credential = await self._world.lacking(party, operation, self._narrow)
        return await self._world.perform(operation, credential, party, names, sampled=sampled)

    async def _malformed(self, sampled: bool) -> Answer:  # noqa: FBT001
        credential, names = await self.holding()
        return await self._world.perform(
            self._operation, credential, self._party, names, body=MALFORMED, sampled=sampled
        )

    async def holding(self) -> tuple[Mapping[str, str], dict[str, str]]:
        """Return a credential that may, and what it is asked about."""
        if not self.kind:
            return {}, {}
        operation, party = self._operation, self._party
        credential = await self._world.holding(party, operation, self.kind)
        return credential, await self._world.named(party, operation, self.kind)


def _form(answer: Answer) -> Value:
    """Return status, names of headers, and the body without its values."""
    headers = sorted({name.lower() for name, _ in answer.headers})
    form = [answer.status, headers, _shape(answer.json)]
    return derived("status, headers and members", form, of=[answer])


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return "list"
    return type(value).__name__ if value is not None else None
