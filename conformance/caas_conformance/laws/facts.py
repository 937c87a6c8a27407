"""The table of facts that a suite keeps: what its documents can't say about an operation.

Which credentials open it, what they must hold, whose the resource is, and what it makes, shows,
changes or ends. Everything else a law needs, it reads from the OpenAPI document.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

from caas_conformance.errors import AuthoringError
from caas_conformance.laws.parties import Body, Kind, Maker, Principals, Ready
from caas_conformance.laws.wide.facts import Comparison, Death, LastSeen, Outage, Quota, Tally


class Owner(Enum):
    """Whose a resource is, and so who must not be able to tell it from one that is not there."""

    NOBODY = "nobody"
    PARTY = "party"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A JWT that an operation issues.

    Attributes:
        at: The member of the answer that holds it.
        kind: The kind of credential that it is; empty for what opens nothing itself.
        ttl_s: How long it lives by the contract, in seconds.
        told_at: The member of the answer that says how long, in seconds; empty for none.
    """

    at: str
    kind: str
    ttl_s: int
    told_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of a service's document.

    Attributes:
        number: A letter and two digits, stable and never used again: the end of its cases' ids.
        service: By its `service.name`.
        method: Upper case.
        path: The document's template.
        opens: Kinds of credential that open it; none for everybody.
        scope: The permission a credential has to hold; empty for none.
        owner: Whose it is what the operation is about.
        success: The status when it is done.
        body: A valid body, or what makes a fresh one; None for operations without.
        in_body: Members of the body that name what it is about, as a path's parameters do.
        in_query: Query parameters that do.
        ready: Brings about what it needs beside what it is named; before each success.
        body_varies: Whether two valid bodies differ, so that a key's second use can be told.
        idempotent: Whether it honours `Idempotency-Key`.
        makes: The resource that each success adds.
        id_at: Where a success names what it made.
        shows: The resource it shows one of.
        lists: The resource it pages through.
        paged: Whether it takes `limit` and `cursor` and answers `next_cursor`.
        items_at: Where the elements are in a list's answer.
        changes: The resource it changes, in place.
        ends: The resource after which nothing of it is accepted any more.
        issues: The tokens of its answer, the one that opens doors first.
        renewed_by: The number of the operation that renews them; it takes `refresh_token`.
        shorter: The member of the body that asks for a shorter life, in seconds.
        grants: The member of the body that lists what a credential made here is to hold.
        loose: Members of the body that must mean something, too: a credential, somebody's id.
        itself: The operation is about the credential it is called with: a fresh one each time.
        lone: It is the whole platform's, and no two may do it at once: its success is the
            business of a case of its own.
        visible: Whether what it does shows in what its owner can read.
        repeatable: Whether it can be done twice in a row.
    """

    number: str
    service: str
    method: str
    path: str
    opens: tuple[str, ...] = ()
    scope: str = ""
    owner: Owner = Owner.NOBODY
    success: int = 200
    body: Body | None = None
    in_body: tuple[str, ...] = ()
    in_query: tuple[str, ...] = ()
    ready: Ready | None = None
    body_varies: bool = True
    idempotent: bool = False
    makes: str = ""
    id_at: str = "id"
    shows: str = ""
    lists: str = ""
    paged: bool = False
    items_at: str = "items"
    changes: str = ""
    ends: str = ""
    issues: tuple[Token, ...] = ()
    renewed_by: str = ""
    shorter: str = ""
    grants: str = ""
    loose: frozenset[str] = frozenset()
    itself: bool = False
    lone: bool = False
    visible: bool = True
    repeatable: bool = True

    @property
    def name(self) -> str:
        """How people write it."""
        return f"{self.method} {self.path}"

    @property
    def writes(self) -> bool:
        """Whether a success leaves something changed."""
        return bool(self.makes or self.changes or self.ends)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the names of what it is about: of the path's template, the body, the query."""
        in_path = tuple(part[1:-1] for part in self.path.split("/") if part[:1] == "{")
        return in_path + self.in_body + self.in_query


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something that operations make, show, change or end.

    Attributes:
        name: As the operations' facts write it.
        parameter: The path or query parameter by which one is named.
        owner: Whose it is; what is a user's is made for each person of a party.
        make: Makes one over the wire for a person of a party, and returns its name.
        unknown: A well-formed name that names nothing.
    """

    name: str
    parameter: str
    owner: Owner
    make: Maker
    unknown: str = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Book:
    """Everything the laws know of a platform.

    Attributes:
        document_path: Where each service shows its OpenAPI document.
        health_path: Where each service says that it is alive.
        uptime_at: Where that answer tells how long it has been; empty for nowhere.
        ready_path: Where it says whether its dependencies answer.
        metrics_path: Where its metrics are, in Prometheus' text format; empty for none.
        access_line: The message of the log line that there is of each request; empty for none.
        ahead: Members that tell a time to come.
        database: What the services keep things in, as spans name it; empty for nothing.
        volatile: Members that change by themselves: not compared when nothing must have changed.
        touched: Members that change with whatever they belong to, such as a time of change.
        secret: Members of answers that hold a credential.
        requirements: By a law's name, the requirements its cases prove.
    """

    principals: Principals[Any]
    operations: tuple[Operation, ...]
    resources: tuple[Resource, ...] = ()
    quotas: tuple[Quota, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    tallies: tuple[Tally, ...] = ()
    last_seen: tuple[LastSeen, ...] = ()
    outages: tuple[Outage, ...] = ()
    deaths: tuple[Death, ...] = ()
    document_path: str = "/openapi.json"
    database: str = ""
    health_path: str = "/health"
    uptime_at: str = ""
    ready_path: str = "/ready"
    metrics_path: str = ""
    access_line: str = ""
    ahead: frozenset[str] = frozenset()
    volatile: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset({"updated_at"})
    secret: frozenset[str] = frozenset()
    requirements: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a table that contradicts itself.

        Raises:
            AuthoringError: A number or an operation is there twice, or a name means nothing.
        """
        numbers = Counter(operation.number for operation in self.operations)
        places = Counter(f"{o.service} {o.name}" for o in self.operations)
        twice = [name for name, times in (numbers + places).items() if times > 1]
        if twice:
            raise AuthoringError(f"the table of facts has {twice} twice")
        kinds = {kind.name for kind in self.principals.kinds}
        for operation in self.operations:
            unknown = set(operation.opens) - kinds
            if unknown:
                raise AuthoringError(f"{operation.name}: no such credential: {sorted(unknown)}")
            if operation.scope and operation.scope not in self.principals.permissions:
                raise AuthoringError(f"{operation.name}: no such permission: {operation.scope}")
            for parameter in operation.parameters:
                if self.resource_named_by(parameter) is None:
                    raise AuthoringError(f"{operation.name}: no resource is named by {parameter}")

    def resource_named_by(self, parameter: str) -> Resource | None:
        """Return the resource whose name a parameter takes."""
        return next((r for r in self.resources if r.parameter == parameter), None)

    def doors(self, resource: str, *, first: str) -> list[Operation]:
        """Return the operations that show one of *resource*, those of the service *first* first.

        Where the one who did it shows the fault itself, nobody else need be suspected.
        """
        found = [operation for operation in self.operations if operation.shows == resource]
        return sorted(found, key=lambda operation: operation.service != first)

    def maker_of(self, operation: Operation) -> Resource | None:
        """Return the resource that *operation* lists, where one can be made at will."""
        return next((r for r in self.resources if r.name == operation.lists), None)

    def kind(self, name: str) -> Kind:
        """Return a kind of credential by its name."""
        return next(kind for kind in self.principals.kinds if kind.name == name)

    @cached_property
    def readable(self) -> tuple[Operation, ...]:
        """The operations by which a party sees what it owns, without naming one thing of it."""
        observers = set(self.principals.observers)
        return tuple(
            operation
            for operation in self.operations
            if operation.method == "GET"
            and operation.owner is not Owner.NOBODY
            and "{" not in operation.path
            and observers & set(operation.opens)
        )
