"""What a phase and a case are before they run."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from caas_conformance.authoring.source import declared_checks
from caas_conformance.errors import AuthoringError

if TYPE_CHECKING:
    from caas_conformance.authoring.context import CaseContext

CASE_TIMEOUT_S = 30.0
PHASE_ID = re.compile(r"[A-Z][0-9]{2}")
CASE_ID = re.compile(r"[A-Z][0-9]{2}\.[A-Z]?[0-9]{2,3}")

ContextT = TypeVar("ContextT", bound="CaseContext")
CaseBody = Callable[[ContextT], Awaitable[None]]
"""Drives the platform; takes its suite's context, which `plan.lint` holds it to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDefinition:
    """One case as its author wrote it; `body` drives the platform."""

    id: str
    title: str
    phase: "Phase"
    proves: str
    body: CaseBody[Any]
    requirements: tuple[str, ...] = ()
    baseline: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    timeout_s: float = CASE_TIMEOUT_S
    untraced_because: str = ""
    errors_logged_because: str = ""

    @property
    def declared_checks(self) -> tuple[tuple[str, str, str], ...]:
        """Id, title and level of each check written literally in the body."""
        return declared_checks(self.body)


@dataclass(slots=True, eq=False)
class Phase:
    """A group of cases: one module of a suite's `phases`, bound there to `PHASE`.

    One that is *alone* runs when all others are done, one case at a time.
    A phase too long for one module spreads over several that import the same `PHASE`.
    """

    id: str
    title: str
    description: str
    tags: tuple[str, ...] = ()
    alone: bool = False
    cases: list[CaseDefinition] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not PHASE_ID.fullmatch(self.id):
            raise AuthoringError(f"phase id {self.id!r} is not a letter and two digits")

    def case(  # noqa: PLR0913 - each is a sentence of the case, all but two by name
        self,
        case_id: str,
        title: str,
        *,
        proves: str,
        requirements: Sequence[str],
        baseline: Sequence[int] = (),
        tags: Sequence[str] = (),
        timeout_s: float = CASE_TIMEOUT_S,
        untraced_because: str = "",
        errors_logged_because: str = "",
    ) -> Callable[[CaseBody[ContextT]], CaseBody[ContextT]]:
        """Add the decorated coroutine function to this phase as one case.

        Args:
            case_id: `S04.02`: this phase's id, a dot, a number; stable, never used again.
            title: A claim, not an instruction: "A revoked key is refused".
            proves: One plain sentence for people who do not read code.
            requirements: Ids out of the suite's registry; at least one.
            baseline: Numbers of the seed cases that this one replaces.
            tags: For `--tag`; the phase's own tags are added.
            timeout_s: Limit of one attempt, in seconds.
            untraced_because: Why not every service it calls can take part in its trace.
            errors_logged_because: Why a service may log an ERROR during it.

        Raises:
            AuthoringError: the id does not belong here, or a sentence is missing.
        """
        if not CASE_ID.fullmatch(case_id) or not case_id.startswith(f"{self.id}."):
            raise AuthoringError(f"case id {case_id!r} does not belong to phase {self.id}")
        if not title.strip() or not proves.strip():
            raise AuthoringError(f"{case_id}: title and proves must say something")

        def register(body: CaseBody[ContextT]) -> CaseBody[ContextT]:
            self.cases.append(
                CaseDefinition(
                    id=case_id,
                    title=title,
                    phase=self,
                    proves=proves,
                    body=body,
                    requirements=tuple(requirements),
                    baseline=tuple(baseline),
                    tags=tuple(dict.fromkeys((*self.tags, *tags))),
                    timeout_s=timeout_s,
                    untraced_because=untraced_because,
                    errors_logged_because=errors_logged_because,
                )
            )
            return body

        return register
