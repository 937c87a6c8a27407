"""The table of facts about a platform as a whole: what it counts, compares and depends on."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from caas_conformance.laws.parties import Party, Ready
from caas_conformance.wire.answer import Answer

Way = Callable[[Any, Party, int], Awaitable[Answer]]
"""Sends one request of a party to the instance of that number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How often somebody may do something.

    Attributes:
        number: As an operation's; the end of its case's id.
        what: Whose requests are counted, for the title.
        service: Whose instances are asked.
        party: Makes somebody who has spent `spent`.
        ways: Requests that count as the same one's; each goes to each instance.
        apart: A request of somebody else, which must pass all the same.
        spent: How much the making of the party has counted already.
        code: Of the problem that says that the quota is spent.
        passes: The status of a request that is not refused for it.
        reason: The code of its problem, when that is a refusal, too.
        limit: How many pass in a window; 0 when the first answer tells.
        limit_max: With a higher limit than this a run can't spend it.
        window_s: The longest wait that a refusal may name.
        tells: Whether answers tell the limit, what remains and the time of the reset.
    """

    number: str
    what: str
    service: str
    party: Callable[[Any], Awaitable[Party]]
    ways: tuple[Way, ...]
    apart: Way
    code: str
    spent: int = 0
    passes: int = 200
    reason: str = ""
    limit: int = 0
    limit_max: int = 400
    window_s: int = 60
    tells: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A place where what somebody shows is compared with what was kept.

    Attributes:
        number: As an operation's; the end of its case's id.
        what: What is done there, for the title.
        format: `email`, `address`, `network` or `origin`.
        keep: Keeps a text for a party.
        show: Shows one, and returns the answer that tells whether it is the same.
        same: The status when it is.
        different: The status when it is not.
        code: Of the problem, where one of the two is a refusal.
        uses_up: Whether what was the same is no longer kept afterwards.
    """

    number: str
    what: str
    format: str
    keep: Callable[[Any, Party, str], Awaitable[None]]
    show: Callable[[Any, Party, str], Awaitable[Answer]]
    same: int
    different: int
    code: str
    uses_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counters that an operation shows.

    Attributes:
        shown_by: The operation's number.
        members: The counters of its answer.
        steps: What is done one after the other, and what each counter changes by, if it does.
    """

    shown_by: str
    members: tuple[str, ...]
    steps: Mapping[str, tuple[Ready, Mapping[str, int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSeen:
    """A time that moves when something is used.

    Attributes:
        number: Of the operation that shows it.
        what: What is used, for the title.
        make: Makes it for a party.
        use: Uses it.
        show: Shows it.
        member: Where the answer tells the time.
    """

    number: str
    what: str
    make: Ready
    use: Ready
    show: Callable[[Any, Party], Awaitable[Answer]]
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Something that services depend on and that can be taken away for a while.

    Attributes:
        number: As an operation's; the end of its case's id.
        what: For the title.
        away: It is away within this context, and back after it.
    """

    number: str
    what: str
    away: Callable[[Any], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A process that can be killed, and that somebody starts again.

    Attributes:
        number: As an operation's; the end of its case's id.
        what: For the title.
        kill: Ends it at once.
        acknowledged_s: How long ago must have been acknowledged what it still has to know.
    """

    number: str
    what: str
    kill: Callable[[Any], Awaitable[None]]
    acknowledged_s: float = 0.0
