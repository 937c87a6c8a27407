"""Who acts: parties, the kinds of credential they have, and how a suite makes both."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from caas_conformance.authoring.context import CaseContext

Context = TypeVar("Context", bound=CaseContext)


@dataclass(slots=True)
class Party:
    """A customer of the system and one of its people, whom no other attempt works with.

    Attributes:
        account: Whatever the suite knows the party by.
        user: The suite's name for the user.
        ids: Values of parameters that name what the party owns, by person and parameter.
        wielded: What it owns and is a credential itself: kind and headers, by its name.
        held: Credentials made already, by kind and permissions.
    """

    account: Any
    user: str
    ids: dict[tuple[str, str], str] = field(default_factory=dict)
    wielded: dict[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    held: dict[tuple[str, frozenset[str] | None], Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of credential.

    Attributes:
        name: The suite's word for it.
        narrows: Whether one can be made that holds fewer permissions than there are.
        person: Who acts with it; what belongs to a user is another thing for each person.
        shared: Whether everybody of an account acts with it as the same person.
    """

    name: str
    narrows: bool = False
    person: str = ""
    shared: bool = False


# The suite's own context stands where `Any` does; its type is the suite's to know.
Body = Mapping[str, Any] | Callable[[Any, Party], Mapping[str, Any]]
Ready = Callable[[Any, Party], Awaitable[None]]
Maker = Callable[[Any, Party, str], Awaitable[str]]


class Principals(ABC, Generic[Context]):
    """How a suite makes parties and credentials; a suite derives its own.

    Attributes:
        kinds: Every kind of credential there is.
        permissions: Every permission there is.
        shorthands: Short names that stand for several permissions each.
        observers: Kinds by which a party looks at what it owns, the first that fits.
        of_parties: Kinds that belong to one party, so that another's is a stranger's.
    """

    kinds: tuple[Kind, ...] = ()
    permissions: frozenset[str] = frozenset()
    shorthands: tuple[str, ...] = ()
    observers: tuple[str, ...] = ()
    of_parties: tuple[str, ...] = ()

    @abstractmethod
    async def party(self, t: Context) -> Party:
        """Make one that nobody else works with."""

    async def fellow(self, t: Context, party: Party) -> Party:
        """Make another person of the same account; the same party where there are none."""
        del t
        return party

    @abstractmethod
    async def credential(
        self, t: Context, party: Party, kind: str, permissions: frozenset[str] | None
    ) -> Mapping[str, str]:
        """Make a fresh credential of *party*; None gives it everything its kind can hold."""
