"""What a law works with in one attempt: parties, their credentials, requests, and what they see."""

from collections.abc import Mapping
from typing import Any

from caas_conformance.authoring.context import CaseContext
from caas_conformance.errors import AuthoringError
from caas_conformance.laws.changes import Seen
from caas_conformance.laws.facts import Book, Operation, Owner, Resource
from caas_conformance.laws.parties import Party
from caas_conformance.wire.answer import Answer


class World:
    """The book's operations, performed for parties of this attempt."""

    def __init__(self, t: CaseContext, book: Book) -> None:
        self.t = t
        self.book = book

    async def party(self) -> Party:
        """Make a party of the attempt's own."""
        return await self.book.principals.party(self.t)

    async def credential(
        self,
        party: Party,
        kind: str,
        permissions: frozenset[str] | None = None,
        *,
        fresh: bool = False,
    ) -> Mapping[str, str]:
        """Return a credential of *party*: the one made before, or a *fresh* one."""
        key = (kind, permissions)
        if fresh or key not in party.held:
            made = await self.book.principals.credential(self.t, party, kind, permissions)
            if fresh:
                return made
            party.held[key] = made
        return party.held[key]

    async def holding(
        self, party: Party, operation: Operation, kind: str, *, fresh: bool = False
    ) -> Mapping[str, str]:
        """Return a credential that holds what *operation* asks for, and no more."""
        permissions = None
        if self.book.kind(kind).narrows:
            permissions = frozenset((operation.scope,)) if operation.scope else frozenset()
        return await self.credential(party, kind, permissions, fresh=fresh or operation.itself)

    async def lacking(self, party: Party, operation: Operation, kind: str) -> Mapping[str, str]:
        """Return a credential that holds everything but what *operation* asks for."""
        rest = self.book.principals.permissions - {operation.scope}
        return await self.credential(party, kind, rest)

    async def named(self, party: Party, operation: Operation, kind: str) -> dict[str, str]:
        """Return parameters that name something which a *kind* of credential of *party* owns.

        Made when there is none yet; what the operation ends is made anew each time.
        """
        values: dict[str, str] = {}
        for parameter in operation.parameters:
            resource = self._resource(parameter)
            person = self.book.kind(kind).person if resource.owner is Owner.PERSON else ""
            key = (person, parameter)
            if key not in party.ids or resource.name == operation.ends:
                party.ids[key] = await resource.make(self.t, party, person)
            values[parameter] = party.ids[key]
        return values

    def unknown(self, operation: Operation) -> dict[str, str]:
        """Return well-formed parameters that name nothing."""
        return {p: self._resource(p).unknown for p in operation.parameters}

    async def perform(  # noqa: PLR0913 - what a request can differ in, all but four by name
        self,
        operation: Operation,
        credential: Mapping[str, str],
        party: Party,
        names: Mapping[str, str],
        *,
        body: Any = ...,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        instance: int = 0,
        sampled: bool = True,
    ) -> Answer:
        """Send *operation* with a valid body and return the answer, whatever it is.

        Args:
            operation: What is asked for.
            credential: Headers that say who asks.
            party: Whose names fill the path and the body.
            names: Values of the path's parameters.
            body: Sent instead of a valid one.
            query: Query parameters beside those that name something.
            headers: Sent beside the credential.
            instance: Which of the service's is asked, counted round and round.
            sampled: Whether the services are to record it.
        """
        path = operation.path
        for parameter, value in names.items():
            path = path.replace("{" + parameter + "}", value)
        options: dict[str, Any] = {"headers": {**credential, **(headers or {})}, "sampled": sampled}
        asked = {p: names[p] for p in operation.in_query if p in names} | dict(query or {})
        if asked:
            options["query"] = asked
        if body is ...:
            body = self.valid_body(operation, party)
        if body is not None:
            named = {p: names[p] for p in operation.in_body if p in names}
            options["json"] = {**body, **named} if named else body
        clients = self.t.instances(operation.service)
        client = clients[instance % len(clients)]
        return await client.request(operation.method, path, **options)

    def instances(self, operation: Operation) -> range:
        """Return the numbers of the instances that can be asked for *operation*."""
        return range(len(self.t.instances(operation.service)))

    def valid_body(self, operation: Operation, party: Party) -> Any:
        """Return a fresh valid body without the names it needs, or None."""
        return operation.body(self.t, party) if callable(operation.body) else operation.body

    def keep_secrets(self, answer: Answer) -> None:
        """Keep the credentials in *answer* out of every report."""
        for member in self.book.secret:
            value = answer.at(member).value
            if isinstance(value, str) and value:
                self.t.secret(value)

    async def seen(self, party: Party) -> Seen:
        """Return everything *party* can read, by operation, without what changes by itself."""
        # First all who look: making one of them may be something that another one sees.
        looking = {k: await self.credential(party, k) for k in self.book.principals.observers}
        found = Seen()
        for operation in self.book.readable:
            kind = next(k for k in looking if k in operation.opens)
            names = await self.named(party, operation, kind)
            answer = await self.perform(operation, looking[kind], party, names)
            calm = _without(answer.json, self.book.volatile)
            name = f"{operation.service} {operation.name}"
            found[name] = [answer.status, calm]
            found.exchanges[name] = answer.exchange_id
        return found

    def _resource(self, parameter: str) -> Resource:
        resource = self.book.resource_named_by(parameter)
        if resource is None:
            raise AuthoringError(f"no resource is named by {parameter}")
        return resource


def _without(value: Any, members: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {k: _without(v, members) for k, v in value.items() if k not in members}
    if isinstance(value, list):
        return [_without(element, members) for element in value]
    return value
