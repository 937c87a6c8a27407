"""Every documented constraint is enforced, at every door: broken once, met at its edge once.

From the document alone: each member of each body and each query parameter is broken by one
keyword of its schema and refused with its path; each is met at its edge and accepted.
"""

from collections.abc import Mapping
from typing import Any

from caas_conformance.authoring.checks import Check
from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.laws.documents import Described, described
from caas_conformance.laws.facts import Book, Operation
from caas_conformance.laws.parties import Party
from caas_conformance.laws.samples import ABSENT, UNHEARD_OF, Try
from caas_conformance.laws.world import World
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.evidence import Value, derived

LAW = "constraints"
BAD_REQUEST = 400
NAMED = "the member that is named tells the reason"
TRIES_MAX = 150
WHOLE_BODY = ("", "body", "$")
"""How problem documents name a body as a whole."""


def constraints(book: Book, phase_id: str) -> Phase:
    """Return the phase that breaks each documented constraint of *book*'s operations once."""
    phase = Phase(
        phase_id,
        "Law: constraints",
        "What a document says of a request is what the service asks for, and no more.",
        tags=("law", "openapi"),
    )
    for operation in book.operations:
        if operation.body is not None or operation.paged:
            _add(phase, book, operation)
    return phase


def _add(phase: Phase, book: Book, operation: Operation) -> None:
    @phase.case(
        f"{phase.id}.{operation.number}",
        f"{operation.service}: {operation.name} keeps to its documented constraints",
        proves="A value outside of what is documented is refused by name, one at the edge is not.",
        requirements=book.requirements[LAW],
        tags=[operation.service],
    )
    async def keeps_to_them(t: CaseContext) -> None:
        """Red when a documented limit is not asked for, or another one is."""
        await constraints_hold(World(t, book), operation)


async def constraints_hold(world: World, operation: Operation) -> None:
    """Break and meet each constraint of the operation's request."""
    t = world.t
    found = await described(t, operation, world.book.document_path)
    if found is None:
        t.skip("the document does not have it; another case says so")
    party = await world.party()
    await world.seen(party)
    kind = operation.opens[0] if operation.opens else ""
    credential = await world.credential(party, kind) if kind else {}
    names = await world.named(party, operation, kind) if kind else {}
    asks = _Asking(world, operation, party, credential, names)
    await _body(asks, found)
    for name, schema in found.query.items():
        if name not in operation.in_query:
            await _parameter(asks, name, schema)


class _Asking:
    """The operation with everything valid but one thing."""

    def __init__(
        self,
        world: World,
        operation: Operation,
        party: Party,
        credential: Mapping[str, str],
        names: Mapping[str, str],
    ) -> None:
        self.world = world
        self.t = world.t
        self.operation = operation
        self._party = party
        self._credential = credential
        self._names = names
        self._ids: set[str] = set()

    def valid_body(self) -> Any:
        """Return a fresh body that is right in everything."""
        body = self.operation.body
        made = body(self.t, self._party) if callable(body) else dict(body or {})
        return {**made, **{p: self._names[p] for p in self.operation.in_body}}

    async def send(self, body: Any = ..., query: Mapping[str, Any] | None = None) -> Answer:
        """Send it with this body or query."""
        if body is not ... and self.operation.ready is not None:
            await self.operation.ready(self.t, self._party)
        names = {p: v for p, v in self._names.items() if p not in self.operation.in_body}
        return await self.world.perform(
            self.operation, self._credential, self._party, names, body=body, query=query
        )

    def check(self, what: str, at: str, rule: str) -> Check:
        """Open a check whose id nobody used yet."""
        words = "-".join(filter(None, "".join(c if c.isalnum() else "-" for c in at).split("-")))
        base = f"{what}-{words or 'body'}-{rule}".lower()
        check_id, number = base, 1
        while check_id in self._ids:
            number += 1
            check_id = f"{base}-{number}"
        self._ids.add(check_id)
        return self.t.check(check_id, f"{at or 'the body'}: {rule} {what}", go_on=True)


async def _body(asks: _Asking, found: Described) -> None:
    schema = found.body
    if schema is None:
        return
    valid = asks.valid_body()
    with asks.t.check("valid", "the table's own body keeps to the document") as check:
        check.equal(Value("refused by the document", schema.refusals(valid)), [])
    for one in list(schema.breaches(valid))[:TRIES_MAX]:
        answer = await asks.send(one.of(asks.valid_body()))
        with asks.check("broken", one.path, one.rule) as check:
            check.status(answer, BAD_REQUEST, because=NAMED)
            check.equal(_named(answer, one), one.path)
    for one in list(schema.edges(valid))[:TRIES_MAX]:
        answer = await asks.send(one.of(asks.valid_body()))
        with asks.check("met", one.path, one.rule) as check:
            if asks.operation.loose & {key for key in one.keys if isinstance(key, str)}:
                check.differs(_named(answer, one), one.path)
            else:
                check.status(answer, asks.operation.success)


def _named(answer: Answer, one: Try) -> Value:
    """Return the member's path when the problem's `errors` name it or what it belongs to."""
    wanted = {one.path, f"query.{one.path}"} if one.keys else set(WHOLE_BODY)
    if one.value is ABSENT or UNHEARD_OF in one.keys or one.rule == "propertyNames":
        wanted |= {Try(one.keys[:-1], "", None).path} if one.keys[:-1] else set(WHOLE_BODY)
    below = tuple(f"{path}{c}" for path in wanted if path for c in ".[")
    body = answer.json
    errors = body.get("errors", []) if isinstance(body, dict) else []
    paths = [str(e.get("path")) for e in errors if isinstance(e, dict)]
    hit = any(path in wanted or path.startswith(below) for path in paths)
    return derived("errors.path", one.path if hit else ", ".join(paths), of=[answer])


async def _parameter(asks: _Asking, name: str, schema: Mapping[str, Any]) -> None:
    broken: list[tuple[str, Any]] = []
    met: list[tuple[str, Any]] = []
    if schema.get("type") == "integer":
        broken = [("type", "x"), ("type", "1.5"), ("type", "")]
        for word, step in (("minimum", -1), ("maximum", 1)):
            if word in schema:
                broken.append((word, int(schema[word]) + step))
                met.append((word, int(schema[word])))
    elif "maxLength" in schema:
        broken = [("maxLength", "a" * (int(schema["maxLength"]) + 1))]
    for rule, value in broken:
        answer = await asks.send(query={name: value})
        with asks.check("broken", name, rule) as check:
            check.status(answer, BAD_REQUEST, because=NAMED)
            check.equal(_named(answer, Try((name,), rule, value)), name)
    for rule, value in met:
        answer = await asks.send(query={name: value})
        with asks.check("met", name, rule) as check:
            check.status(answer, asks.operation.success)
