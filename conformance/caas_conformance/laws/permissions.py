"""Permission matrix: operation x kind of credential x scope x ownership, both ways.

Whoever may do a thing can, with its effect; whoever may not is refused without one. What belongs
to somebody else can't be told from what is not there: status, words and headers are the same.
"""

from collections.abc import Mapping

from caas_conformance.authoring.checks import Check
from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.laws.changes import changes_between
from caas_conformance.laws.facts import Book, Operation, Owner
from caas_conformance.laws.parties import Party
from caas_conformance.laws.world import World
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.evidence import Value, derived

LAW = "permissions"
FORBIDDEN = 403
REFUSED = (401, 403)
PER_EXCHANGE = frozenset({"date", "x-correlation-id", "traceresponse", "content-length"})
"""Headers that differ between any two answers, or because one id is longer than the other."""
LIMIT_PREFIX = "x-ratelimit-"


def permissions(book: Book, phase_id: str) -> Phase:
    """Return the phase that holds the permission matrix of *book*."""
    phase = Phase(
        phase_id,
        "Law: permissions",
        "Each operation, with every kind of credential, with and without its scope, on what is "
        "the caller's own and what is somebody else's.",
        tags=("law", "security"),
    )
    for operation in book.operations:
        if operation.opens:
            _add(phase, book, operation)
    return phase


def _add(phase: Phase, book: Book, operation: Operation) -> None:
    @phase.case(
        f"{phase.id}.{operation.number}",
        f"{operation.service}: only who may can {operation.name}",
        proves="The right credentials do it, every other one is refused and leaves no trace.",
        requirements=book.requirements[LAW],
        tags=[operation.service],
    )
    async def only_who_may(t: CaseContext) -> None:
        """Red when a check is missing, asks for too much, or tells what is not the caller's."""
        await matrix_holds(World(t, book), operation)


async def matrix_holds(world: World, operation: Operation) -> None:
    """Try the operation with every kind of credential, both ways."""
    party = await world.party()
    await world.seen(party)
    refused = await _credentials_refused(world, operation, party)
    names = await world.named(party, operation, operation.opens[0])
    fellow, owned = await _fellow(world, operation, party)
    before = await world.seen(party)
    await _refuse(world, operation, party, names, refused)
    if operation.owner is not Owner.NOBODY and operation.parameters:
        stranger = await world.party()
        for kind in operation.opens:
            await _hide(world, operation, names, (stranger, kind), "stranger")
        for kind, theirs in owned.items():
            await _hide(world, operation, theirs, (fellow, kind), "fellow")
    after = await world.seen(party)
    with world.t.check("no-effect", "no refused request had an effect") as check:
        check.equal(changes_between(before, after), {})
    for kind in () if operation.lone else operation.opens:
        await _allow(world, operation, party, kind)


async def _credentials_refused(
    world: World, operation: Operation, party: Party
) -> dict[str, tuple[Mapping[str, str], tuple[int, ...]]]:
    """Make what must not open the operation, before its owner's state is looked at."""
    refused: dict[str, tuple[Mapping[str, str], tuple[int, ...]]] = {"none": ({}, REFUSED)}
    for kind in world.book.principals.kinds:
        if kind.name not in operation.opens:
            refused[kind.name] = (await world.credential(party, kind.name), REFUSED)
        elif kind.narrows and operation.scope:
            credential = await world.lacking(party, operation, kind.name)
            refused[f"{kind.name}-without-scope"] = (credential, (FORBIDDEN,))
    return refused


async def _refuse(
    world: World,
    operation: Operation,
    party: Party,
    names: Mapping[str, str],
    refused: Mapping[str, tuple[Mapping[str, str], tuple[int, ...]]],
) -> None:
    for name, (credential, statuses) in refused.items():
        answer = await world.perform(operation, credential, party, names)
        words = name.replace("-", " ")
        with world.t.check(f"refused-{name}", f"refused: {words}", go_on=True) as check:
            check.status(answer, statuses, because="a service need not know every kind")


async def _fellow(
    world: World, operation: Operation, party: Party
) -> tuple[Party, dict[str, dict[str, str]]]:
    """Make another person of the account, and what the first one owns, by kind of credential."""
    fellow = await world.book.principals.fellow(world.t, party)
    owned: dict[str, dict[str, str]] = {}
    if operation.owner is Owner.PERSON and operation.parameters and fellow is not party:
        for kind in operation.opens:
            if not world.book.kind(kind).shared:
                await world.credential(fellow, kind)
                owned[kind] = await world.named(party, operation, kind)
    return fellow, owned


async def _hide(
    world: World,
    operation: Operation,
    names: Mapping[str, str],
    other: tuple[Party, str],
    who: str,
) -> None:
    """Compare another's thing with one that does not exist, for somebody who may ask."""
    asking, kind = other
    if kind not in world.book.principals.of_parties:
        return
    unknown = world.unknown(operation)
    credential = await world.credential(asking, kind)
    theirs = await world.perform(operation, credential, asking, names)
    missing = await world.perform(operation, credential, asking, unknown)
    with world.t.check(
        f"hidden-{who}-{kind}", f"to a {who}'s {kind} it is as if it were not there", go_on=True
    ) as check:
        check_same(check, (theirs, names), (missing, unknown))


async def _allow(world: World, operation: Operation, party: Party, kind: str) -> None:
    t = world.t
    credential = await world.holding(party, operation, kind)
    names = await world.named(party, operation, kind)
    if operation.ready is not None:
        await operation.ready(t, party)
    before = await world.seen(party)
    answer = await world.perform(operation, credential, party, names)
    with t.check(f"allowed-{kind}", f"a {kind} that may, does it", go_on=True) as check:
        check.status(answer, operation.success)
    if operation.visible and operation.writes:
        after = await world.seen(party)
        with t.check(f"effect-{kind}", f"the {kind}'s request had its effect", go_on=True) as check:
            check.differs(changes_between(before, after), {})
    if operation.itself:
        party.held.clear()  # what it ends may be any of them


def check_same(
    check: Check,
    one: tuple[Answer, Mapping[str, str]],
    other: tuple[Answer, Mapping[str, str]],
) -> None:
    """Assert that two answers are the same but for the names that were asked for."""
    check.equal(_head(one[0]), _head(other[0]))
    check.equal(_words(*one), _words(*other), "the words tell them apart")


def _head(answer: Answer) -> Value:
    lines = sorted(
        [name.lower(), value]
        for name, value in answer.headers
        if name.lower() not in PER_EXCHANGE and not name.lower().startswith(LIMIT_PREFIX)
    )
    return derived("status and headers", [answer.status, lines], of=[answer])


def _words(answer: Answer, names: Mapping[str, str]) -> Value:
    text = answer.content.decode("utf-8", "replace")
    for parameter, value in names.items():
        text = text.replace(value, "{" + parameter + "}")
    correlation = answer.header("x-correlation-id").value
    return derived("words", text.replace(str(correlation), "(id)"), of=[answer])
