"""Lists: the pages of every size together are the whole, in order, once each.

Also while others write; and a cursor opens nothing for another party.
"""

from typing import Any

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.laws.facts import Book, Operation
from caas_conformance.laws.parties import Party
from caas_conformance.laws.world import World
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.evidence import derived

LAW = "lists"
ELEMENTS = 7
PAGE_SIZES = (1, 2, 3, 7, 50)
PAGES_MAX = 60
REFUSED = (400, 403, 404)


def lists(book: Book, phase_id: str) -> Phase:
    """Return the phase that pages through each list of *book*."""
    phase = Phase(
        phase_id,
        "Law: lists",
        "Whatever the size of the pages, together they are the list: in order, once each.",
        tags=("law",),
    )
    for operation in book.operations:
        if operation.paged and book.maker_of(operation) is not None:
            _add(phase, book, operation)
    return phase


def _add(phase: Phase, book: Book, operation: Operation) -> None:
    @phase.case(
        f"{phase.id}.{operation.number}",
        f"{operation.service}: {operation.name} pages without a gap or a repetition",
        proves="Reading a list page by page misses nothing, repeats nothing, tells nobody else.",
        requirements=book.requirements[LAW],
        tags=[operation.service],
    )
    async def pages_are_the_whole(t: CaseContext) -> None:
        """Red when a page skips, repeats or reorders, or a cursor works for a stranger."""
        await lists_hold(World(t, book), operation)


async def lists_hold(world: World, operation: Operation) -> None:
    """Fill the list, read it in pages of several sizes, then while it grows."""
    t = world.t
    party = await world.party()
    await world.seen(party)
    kind = operation.opens[0]
    credential = await world.credential(party, kind)
    made = [await _one_more(world, operation, party, kind) for _ in range(ELEMENTS)]
    reader = _Reader(world, operation, party, credential)
    reference: list[str] = []
    for size in PAGE_SIZES:
        async with t.step(f"pages of {size}"):
            found, answers = await reader.through(size)
            reference = reference or found
            with t.check(f"whole-{size}", f"pages of {size} are the whole, once each") as check:
                listed = derived("ids", found, of=answers)
                missing = sorted(set(made) - set(found))
                check.equal(derived("made and not listed", missing, of=answers), [])
                check.unique(listed)
                check.equal(listed, reference, "the order depends on the size of the page")
                sizes = [len(_elements(answer, operation)) for answer in answers]
                larger = [s for s in sizes if s > size]
                check.equal(derived("pages over their size", larger, of=answers), [])
    async with t.step("while it grows"):
        found, answers = await reader.through(
            2, between=lambda: _one_more(world, operation, party, kind), times=3
        )
        with t.check("growing", "what was there stays listed once while more is added") as check:
            kept = [i for i in found if i in set(reference)]
            check.equal(derived("those of before", kept, of=answers), reference)
    await _cursor_is_the_lists_own(world, operation, reader)


async def _cursor_is_the_lists_own(world: World, operation: Operation, reader: "_Reader") -> None:
    """Show the cursor of one party to another, who must see nothing of it."""
    t = world.t
    first = await reader.page({"limit": 2})
    (cursor,) = t.need(first, "next_cursor")
    stranger = await world.party()
    await world.seen(stranger)
    kind = operation.opens[0]
    credential = await world.credential(stranger, kind)
    names = await world.named(stranger, operation, kind)
    own = await world.perform(operation, credential, stranger, names)
    theirs = await world.perform(
        operation, credential, stranger, names, query={"limit": 50, "cursor": cursor}
    )
    with t.check("strangers-cursor", "another party's cursor opens nothing") as check:
        check.status(own, 200)
        leaked = set(_ids(theirs, operation)) - set(_ids(own, operation))
        check.equal(derived("elements of the other party", sorted(leaked), of=[theirs, own]), [])
    garbled = await reader.page({"limit": 2, "cursor": "no-cursor-of-yours"})
    with t.check("garbled-cursor", "what is no cursor is refused or opens an empty page") as check:
        if garbled.status in REFUSED:
            check.status(garbled, 400, because="the words of it are the service's choice")
        else:
            check.status(garbled, 200)
            check.empty(garbled.at(operation.items_at))


class _Reader:
    """Reads one list page by page."""

    def __init__(self, world: World, operation: Operation, party: Party, credential: Any) -> None:
        self._world = world
        self._operation = operation
        self._party = party
        self._credential = credential

    async def page(self, query: dict[str, Any], instance: int = 0) -> Answer:
        """Return one page."""
        kind = self._operation.opens[0]
        names = await self._world.named(self._party, self._operation, kind)
        return await self._world.perform(
            self._operation,
            self._credential,
            self._party,
            names,
            query=query,
            instance=instance,
        )

    async def through(
        self, size: int, *, between: Any = None, times: int = 0
    ) -> tuple[list[str], list[Answer]]:
        """Follow the cursors to the end, each at the next instance of the service.

        *between* happens after the first *times* pages.
        """
        query: dict[str, Any] = {"limit": size}
        found: list[str] = []
        answers: list[Answer] = []
        for number in range(PAGES_MAX):
            answer = await self.page(query, number)
            answers.append(answer)
            found += _ids(answer, self._operation)
            if between is not None and number < times:
                await between()
            cursor = answer.at("next_cursor").value
            if answer.status != self._operation.success or not isinstance(cursor, str):
                break
            query["cursor"] = cursor
        return found, answers


async def _one_more(world: World, operation: Operation, party: Party, kind: str) -> str:
    resource = world.book.maker_of(operation)
    person = world.book.kind(kind).person
    return await resource.make(world.t, party, person) if resource is not None else ""


def _elements(answer: Answer, operation: Operation) -> list[Any]:
    found = answer.at(operation.items_at).value
    return found if isinstance(found, list) else []


def _ids(answer: Answer, operation: Operation) -> list[str]:
    elements = _elements(answer, operation)
    return [str(e.get(operation.id_at, e) if isinstance(e, dict) else e) for e in elements]
