"""The table of facts and the documents agree: every operation is in both, and says the same.

What is not in the table escapes every law, so an operation that nobody wrote down is red.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.laws.documents import METHODS, Described
from caas_conformance.laws.facts import Book, Operation
from caas_conformance.wire.evidence import derived

LAW = "coverage"


def coverage(book: Book, phase_id: str) -> Phase:
    """Return the phase that sets the table of *book* beside each service's document."""
    phase = Phase(
        phase_id,
        "Law: nothing escapes",
        "Every operation of every document is in the table of facts, and the other way round.",
        tags=("law", "openapi"),
    )
    for service in dict.fromkeys(operation.service for operation in book.operations):
        _add(phase, book, service)
    return phase


def _add(phase: Phase, book: Book, service: str) -> None:
    letter = next(o.number[0] for o in book.operations if o.service == service)

    @phase.case(
        f"{phase.id}.{letter}00",
        f"{service}: the laws know every operation",
        proves="A new route can't be forgotten: until its facts are written down, this is red.",
        requirements=book.requirements[LAW],
        tags=[service],
    )
    async def nothing_escapes(t: CaseContext) -> None:
        """Red when a route is in the document and not in the table, or the table is out of date."""
        await table_is_whole(t, book, service)


async def table_is_whole(t: CaseContext, book: Book, service: str) -> None:
    """Compare names, security and idempotency of both."""
    answer = await t.service(service).get(book.document_path)
    known = {(o.method, o.path): o for o in book.operations if o.service == service}
    documented = dict(_documented(answer.json if isinstance(answer.json, dict) else {}))
    with t.check("document", "the document lists operations") as check:
        check.status(answer, 200)
        check.between(derived("operations", len(documented), of=[answer]), 1, 1000)
    with t.check("known", "the table has each of them", go_on=True) as check:
        unknown = sorted(" ".join(place) for place in set(documented) - set(known))
        check.equal(derived("operations without facts", unknown, of=[answer]), [])
    with t.check("documented", "the document has each of the table's", go_on=True) as check:
        gone = sorted(" ".join(place) for place in set(known) - set(documented))
        check.equal(derived("operations without a document", gone, of=[answer]), [])
    told = {place: known[place] for place in set(documented) & set(known)}
    with t.check("agree", "both say the same of each", go_on=True) as check:
        odd = sorted(
            f"{operation.name}: {words}"
            for place, operation in told.items()
            for words in _differences(operation, documented[place])
        )
        check.equal(derived("differences", odd, of=[answer]), [])


def _documented(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Described]]:
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if method in item:
                yield (method.upper(), path), Described(item[method], document)


def _differences(operation: Operation, described: Described) -> Iterator[str]:
    if described.is_secured != bool(operation.opens):
        yield "one of them asks for a credential"
    if described.is_idempotent != operation.idempotent:
        yield "one of them honours Idempotency-Key"
    if operation.paged != ({"limit", "cursor"} <= set(described.query)):
        yield "one of them pages"
    if str(operation.success) not in described.item.get("responses", {}):
        yield f"{operation.success} is not documented"
