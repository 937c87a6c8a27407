"""Scopes can't widen: nobody gets more than they hold, by whatever way credentials are made.

Not by making keys, not by a short name for many permissions, not by renewing a narrow session.
"""

from collections.abc import Mapping

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.laws.facts import Book, Operation
from caas_conformance.laws.parties import Party
from caas_conformance.laws.world import World
from caas_conformance.wire.answer import Answer

LAW = "widening"
FORBIDDEN = 403
REASON = "the same with the permission succeeds, so that it is what is refused"


def widening(book: Book, phase_id: str) -> Phase:
    """Return the phase that asks for more than is held wherever *book* makes credentials."""
    phase = Phase(
        phase_id,
        "Law: scopes do not widen",
        "Whoever makes or renews a credential gets no more than they hold.",
        tags=("law", "security"),
    )
    for operation in book.operations:
        renews = operation.renewed_by and _narrow(book, operation) and _doors(book, operation)
        if operation.grants or renews:
            _add(phase, book, operation)
    return phase


def _doors(book: Book, operation: Operation) -> list[Operation]:
    """Return what the issued token opens with a permission of its own, beside the issuer's."""
    return [
        door
        for door in book.readable
        if operation.issues[0].kind in door.opens and door.scope not in ("", operation.scope)
    ]


def _narrow(book: Book, operation: Operation) -> list[str]:
    return [kind for kind in operation.opens if book.kind(kind).narrows]


def _add(phase: Phase, book: Book, operation: Operation) -> None:
    @phase.case(
        f"{phase.id}.{operation.number}",
        f"{operation.service}: {operation.name} gives nobody more than they hold",
        proves="A narrow credential can't be turned into a wider one.",
        requirements=book.requirements[LAW],
        tags=[operation.service],
    )
    async def no_wider(t: CaseContext) -> None:
        """Red when a credential of few permissions leads to one of more."""
        world = World(t, book)
        if operation.grants:
            await grants_hold(world, operation)
        else:
            await renewals_hold(world, operation)


async def grants_hold(world: World, operation: Operation) -> None:
    """Ask for what is held, for one more, for everything, and for a short name of too many."""
    t = world.t
    party = await world.party()
    held = operation.scope
    others = sorted(world.book.principals.permissions - {held})
    asked = {
        "one more": [held, others[0]],
        "everything": [held, *others],
        **{f"by name {name}": [name] for name in world.book.principals.shorthands},
    }
    for kind in _narrow(world.book, operation):
        credential = await world.credential(party, kind, frozenset({held}))
        names = await world.named(party, operation, kind)
        same = await _ask(world, operation, party, credential, names, [held])
        with t.check(f"same-{kind}", f"a {kind} may hand on what it holds", go_on=True) as check:
            check.status(same, operation.success)
        for what, scopes in asked.items():
            answer = await _ask(world, operation, party, credential, names, scopes)
            words = what.replace(" ", "-")
            with t.check(f"{words}-{kind}", f"a {kind} can't ask for {what}", go_on=True) as check:
                check.status(answer, FORBIDDEN, because=REASON)


async def _ask(
    world: World,
    operation: Operation,
    party: Party,
    credential: Mapping[str, str],
    names: Mapping[str, str],
    scopes: list[str],
) -> Answer:
    body = {**world.valid_body(operation, party), operation.grants: scopes}
    answer = await world.perform(operation, credential, party, names, body=body)
    world.keep_secrets(answer)
    return answer


async def renewals_hold(world: World, operation: Operation) -> None:
    """Renew what a narrow credential opened: it stays as narrow."""
    t, book = world.t, world.book
    token = operation.issues[0]
    doors = _doors(book, operation)
    renewal = next(o for o in book.operations if o.number == operation.renewed_by)
    for kind in _narrow(book, operation):
        party = await world.party()
        door = doors[0]
        held = frozenset({operation.scope} | {d.scope for d in doors if d.scope != door.scope})
        credential = await world.credential(party, kind, held)
        names = await world.named(party, operation, kind)
        opened = await world.perform(operation, credential, party, names)
        world.keep_secrets(opened)
        (refresh,) = t.need(opened, "refresh_token")
        renewed = await world.perform(renewal, {}, party, {}, body={"refresh_token": refresh})
        world.keep_secrets(renewed)
        for when, answer in (("opened", opened), ("renewed", renewed)):
            bearer = _bearer(t, answer, token.at)
            shut = await world.perform(door, bearer, party, {})
            title = f"what a narrow {kind} {when} does not open {door.name}"
            with t.check(f"{when}-{kind}", title, go_on=True) as check:
                check.status(shut, FORBIDDEN, because=REASON)
        for other in doors[1:]:
            if other.scope == door.scope:
                continue
            ajar = await world.perform(other, _bearer(t, renewed, token.at), party, {})
            title = f"it opens {other.name}"
            with t.check(f"open-{other.number.lower()}-{kind}", title, go_on=True) as check:
                check.status(ajar, other.success)
            break


def _bearer(t: CaseContext, answer: Answer, at: str) -> dict[str, str]:
    (text,) = t.need(answer, at)
    return {"authorization": f"Bearer {text}"}
