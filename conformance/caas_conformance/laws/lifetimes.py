"""Lifetimes: token, answer and contract say the same, in one unit, and expiry happens.

For every operation that issues a token, at issue and after a refresh. Where a shorter life can
be asked for, the end of it is waited for: until then the token opens doors, afterwards none.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.authoring.tokens import claims
from caas_conformance.laws.facts import Book, Operation, Token
from caas_conformance.laws.parties import Party
from caas_conformance.laws.world import World
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.evidence import Value, derived

LAW = "lifetimes"
SHORT_S = 2
AFTER_S = 4.0
"""How long after the end of a short life the last door may take to know it."""
CLOCK_S = 5
UNAUTHORIZED = 401
WORDS = "a law knows statuses; the words are the service's choice"


def lifetimes(book: Book, phase_id: str) -> Phase:
    """Return the phase that reads every token that *book*'s operations issue."""
    phase = Phase(
        phase_id,
        "Law: lifetimes",
        "What a token says of its life is what the answer and the contract say, and it ends.",
        tags=("law", "security"),
    )
    for operation in book.operations:
        if operation.issues and operation.body is not None:
            _add(phase, book, operation)
        if operation.shorter:
            _add_expiry(phase, book, operation)
    return phase


def _add(phase: Phase, book: Book, operation: Operation) -> None:
    @phase.case(
        f"{phase.id}.{operation.number}",
        f"{operation.service}: {operation.name} says how long its tokens live",
        proves="A client can rely on what it is told of a token's life, before and after refresh.",
        requirements=book.requirements[LAW],
        tags=[operation.service],
    )
    async def says_how_long(t: CaseContext) -> None:
        """Red when answer, token and contract differ, in value or in unit."""
        await told_alike(World(t, book), operation)


def _add_expiry(phase: Phase, book: Book, operation: Operation) -> None:
    @phase.case(
        f"{phase.id}.{operation.number[0]}{int(operation.number[1:]) + EXPIRY_NUMBERS}",
        f"{operation.service}: what {operation.name} issued ends when it says",
        proves="A token that has expired opens nothing at any door, and can't be renewed.",
        requirements=book.requirements[LAW],
        tags=[operation.service],
    )
    async def ends(t: CaseContext) -> None:
        """Red when a door takes an expired token, or one that lives shorter than it says."""
        await expiry_happens(World(t, book), operation)


EXPIRY_NUMBERS = 500
"""Added to an operation's number for its second case."""


async def told_alike(world: World, operation: Operation) -> None:
    """Issue tokens and refresh them, and compare what is said of their lives."""
    issue = await _Issue.of(world, operation)
    answer = await issue.send()
    _check_told(world, operation, answer, "issued")
    for renewal in world.book.operations:
        if operation.renewed_by != renewal.number:
            continue
        renewed = await world.perform(
            renewal, {}, issue.party, {}, body={"refresh_token": answer.at("refresh_token").value}
        )
        world.keep_secrets(renewed)
        _check_told(world, renewal, renewed, "renewed")


async def expiry_happens(world: World, operation: Operation) -> None:
    """Ask for a short life, and see it begin and end at every door that the token opens."""
    t = world.t
    issue = await _Issue.of(world, operation)
    answer = await issue.send({operation.shorter: SHORT_S})
    (text,) = t.need(answer, operation.issues[0].at)
    bearer = {"authorization": f"Bearer {text}"}
    kind = operation.issues[0].kind
    doors = [door for door in world.book.readable if kind in door.opens]
    with t.check("short", "the shorter life is granted") as check:
        check.status(answer, operation.success)
        check.equal(_life(answer, operation.issues[0]), SHORT_S)
    for door in doors[:1]:
        alive = [
            await world.perform(door, bearer, issue.party, {}, instance=n)
            for n in world.instances(door)
        ]
        with t.check("alive", "until then it opens doors") as check:
            for answer in alive:
                check.status(answer, door.success)
    for door in doors:
        ended = await t.until(
            lambda door=door: world.perform(door, bearer, issue.party, {}),  # type: ignore[misc]
            lambda a: a.status == UNAUTHORIZED,
            within_s=SHORT_S + AFTER_S,
        )
        further = list(world.instances(door))[1:]
        others = [await world.perform(door, bearer, issue.party, {}, instance=n) for n in further]
        with t.check(f"ended-{door.number.lower()}", f"then {door.name} is shut", go_on=True) as c:
            for answer in (ended, *others):
                c.status(answer, UNAUTHORIZED, because=WORDS)
    renewal = next((o for o in world.book.operations if o.number == operation.renewed_by), None)
    if renewal is not None:
        again = await world.perform(
            renewal, {}, issue.party, {}, body={"refresh_token": answer.at("refresh_token").value}
        )
        with t.check("renewal", "what has ended can't be renewed", go_on=True) as check:
            check.status(again, UNAUTHORIZED, because=WORDS)


@dataclass(slots=True)
class _Issue:
    """One operation that issues tokens, for one party."""

    world: World
    operation: Operation
    party: Party
    credential: Mapping[str, str]
    names: Mapping[str, str]

    @classmethod
    async def of(cls, world: World, operation: Operation) -> "_Issue":
        """Prepare what it needs."""
        party = await world.party()
        kind = operation.opens[0] if operation.opens else ""
        credential = await world.credential(party, kind) if kind else {}
        names = await world.named(party, operation, kind) if kind else {}
        return cls(world, operation, party, credential, names)

    async def send(self, more: Mapping[str, Any] | None = None) -> Answer:
        """Ask for tokens, with *more* in the body."""
        body = {**self.world.valid_body(self.operation, self.party), **(more or {})}
        answer = await self.world.perform(
            self.operation, self.credential, self.party, self.names, body=body
        )
        self.world.keep_secrets(answer)
        return answer


def _check_told(world: World, operation: Operation, answer: Answer, when: str) -> None:
    with world.t.check(f"{when}", "tokens, answer and contract agree", go_on=True) as check:
        check.status(answer, operation.success)
        for token in operation.issues:
            check.equal(_life(answer, token), token.ttl_s, f"{token.at} against the contract")
            if token.told_at:
                check.equal(answer.at(token.told_at), _life(answer, token).value, "as answered")
            issued = answer.at(token.at).derive("claims", claims).at("iat")
            check.between(issued, time.time() - CLOCK_S, time.time() + CLOCK_S)


def _life(answer: Answer, token: Token) -> Value:
    said = answer.at(token.at).derive("claims", claims).value
    life = said["exp"] - said["iat"] if isinstance(said, dict) else None
    return derived(f"{token.at}: exp - iat", life, of=[answer])
