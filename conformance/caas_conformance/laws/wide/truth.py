"""Numbers, names and times: what answers tell of the world is so.

Counters count what happened, times are UTC, RFC 3339 and true, last-seen moves with use, ids can't
be guessed, uptime is.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.laws.facts import Book, Operation
from caas_conformance.laws.wide.facts import LastSeen, Tally
from caas_conformance.laws.world import World
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.evidence import derived

LAW = "truth"
MADE = 8
VARYING_MIN = 16
"""Places that differ among `MADE` names; a random hexadecimal digit is 4 bits: 64 together."""
VALUES_MIN = 3
CLOCK_S = 2.0
FUTURE_S = 10 * 366 * 24 * 3600.0
SEEN_WITHIN_S = 10.0
UPTIME_APART_S = 0.3
TALLY_NUMBERS, SEEN_NUMBERS = 600, 700
"""Added to an operation's number for its further cases."""
RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
TIME_NAMES = ("_at", "timestamp", "as_of")


def truth(book: Book, phase_id: str) -> Phase:
    """Return the phase that compares what *book*'s operations tell with what happened."""
    phase = Phase(
        phase_id,
        "Law: numbers, names, times",
        "Counters count, times are true and in UTC, ids can't be guessed, and uptime is.",
        tags=("law",),
    )
    for operation in book.operations:
        if operation.makes and operation.visible and _named_by_service(operation):
            _add_made(phase, book, operation)
    for tally in book.tallies:
        _add_tally(phase, book, tally)
    for seen in book.last_seen:
        _add_seen(phase, book, seen)
    for service in dict.fromkeys(operation.service for operation in book.operations):
        if book.uptime_at:
            _add_clock(phase, book, service)
    return phase


def _named_by_service(operation: Operation) -> bool:
    return operation.id_at.endswith("id")


def _add_made(phase: Phase, book: Book, operation: Operation) -> None:
    @phase.case(
        f"{phase.id}.{operation.number}",
        f"{operation.service}: what {operation.name} makes has a name and times of its own",
        proves="Nobody finds another's thing by counting, and everybody knows when it was made.",
        requirements=book.requirements[LAW],
        tags=[operation.service],
    )
    async def made_is_told_truly(t: CaseContext) -> None:
        """Red when ids or secrets resemble each other, or a time is not UTC, or not so."""
        await made_holds(World(t, book), operation)


def _add_tally(phase: Phase, book: Book, tally: Tally) -> None:
    shown = next(o for o in book.operations if o.number == tally.shown_by)

    @phase.case(
        f"{phase.id}.{shown.number[0]}{int(shown.number[1:]) + TALLY_NUMBERS}",
        f"{shown.service}: {shown.name} counts what happened",
        proves="Who is billed or limited by these numbers can rely on them.",
        requirements=book.requirements[LAW],
        tags=[shown.service],
    )
    async def counts(t: CaseContext) -> None:
        """Red when something is not counted, counted twice, or counted though it was refused."""
        await tally_holds(World(t, book), tally, shown)


def _add_seen(phase: Phase, book: Book, seen: LastSeen) -> None:
    @phase.case(
        f"{phase.id}.{seen.number[0]}{int(seen.number[1:]) + SEEN_NUMBERS}",
        f"{seen.what}: last seen moves with use",
        proves="Who looks for what is no longer used does not end what is.",
        requirements=book.requirements[LAW],
    )
    async def moves(t: CaseContext) -> None:
        """Red when use leaves it as it was, or it tells another time."""
        await last_seen_moves(World(t, book), seen)


def _add_clock(phase: Phase, book: Book, service: str) -> None:
    letter = next(o.number[0] for o in book.operations if o.service == service)

    @phase.case(
        f"{phase.id}.{letter}00",
        f"{service}: every instance tells the time and how long it has been up",
        proves="Operators see when a service was restarted, and that its clock is right.",
        requirements=book.requirements[LAW],
        tags=[service],
    )
    async def clock_is_right(t: CaseContext) -> None:
        """Red when uptime stands still, jumps or is shared, or a time is off."""
        await clock_holds(World(t, book), service)


async def made_holds(world: World, operation: Operation) -> None:
    """Make several; look at their names, their secrets, and every time that is told of them."""
    t = world.t
    window = _Window()
    party = await world.party()
    kind = operation.opens[0] if operation.opens else ""
    credential = await world.credential(party, kind) if kind else {}
    names = await world.named(party, operation, kind) if kind else {}
    answers = []
    for n in range(MADE):
        made = await world.perform(operation, credential, party, names, instance=n)
        world.keep_secrets(made)
        answers.append(made)
    with t.check("made", "each is made") as check:
        for answer in answers:
            check.status(answer, operation.success)
    _check_guess(t, "id", operation.id_at, answers)
    for member in sorted(world.book.secret):
        if isinstance(answers[0].at(member).value, str):
            _check_guess(t, member.replace("_", "-"), member, answers)
    looked = list(answers)
    for reading in world.book.readable:
        looker = next(k for k in world.book.principals.observers if k in reading.opens)
        named = await world.named(party, reading, looker)
        looked.append(
            await world.perform(reading, await world.credential(party, looker), party, named)
        )
    window.close(looked)
    _check_times(t, window, looked, world.book)


async def tally_holds(world: World, tally: Tally, shown: Operation) -> None:
    """Do one thing after the other, and read the counters in between."""
    t = world.t
    party = await world.party()
    kind = shown.opens[0]
    credential = await world.credential(party, kind)
    names = await world.named(party, shown, kind)
    before = await world.perform(shown, credential, party, names)
    for name, (act, change) in tally.steps.items():
        await act(t, party)
        after = await world.perform(shown, credential, party, names, instance=1)
        with t.check(name, f"{name.replace('-', ' ')} is counted", go_on=True) as check:
            check.status(after, shown.success)
            for member in tally.members:
                expected = _int(before, member) + change.get(member, 0)
                check.equal(after.at(member), expected)
        before = after


async def last_seen_moves(world: World, seen: LastSeen) -> None:
    """Read it, use it, and read it until it has moved."""
    t = world.t
    party = await world.party()
    await seen.make(t, party)
    before = await seen.show(t, party)
    window = _Window()
    await t.wait(UPTIME_APART_S)
    await seen.use(t, party)
    old = before.at(seen.member).value
    after = await t.until(
        lambda: seen.show(t, party),
        lambda answer: answer.at(seen.member).value != old,
        within_s=SEEN_WITHIN_S,
    )
    window.close([after])
    with t.check("moved", "it has moved") as check:
        check.differs(after.at(seen.member), old)
    with t.check("true", "it tells the time of the use") as check:
        told = after.at(seen.member)
        check.equal(told.derive("is true", window.holds), expected=True)


async def clock_holds(world: World, service: str) -> None:
    """Ask each instance twice for its health, a moment apart."""
    t = world.t
    looked: list[Answer] = []
    window = _Window()
    for number, client in enumerate(t.instances(service)):
        first = await client.get(world.book.health_path)
        began = time.perf_counter()
        await t.wait(UPTIME_APART_S)
        second = await client.get(world.book.health_path)
        apart_s = time.perf_counter() - began
        looked += [first, second]
        grown = _float(second, world.book.uptime_at) - _float(first, world.book.uptime_at)
        with t.check(f"uptime-{number}", f"instance {number}: uptime grows by the second") as check:
            check.status(second, 200)
            check.between(first.at(world.book.uptime_at), 0, FUTURE_S)
            told = derived("uptime grew by", round(grown, 3), of=[first, second])
            check.between(told, min(0.001, apart_s), apart_s + CLOCK_S)
    window.close(looked)
    _check_times(t, window, looked, world.book)


def _check_guess(t: CaseContext, name: str, member: str, answers: Sequence[Answer]) -> None:
    texts = [str(answer.at(member).value) for answer in answers]
    columns = list(zip(*texts, strict=False))
    varying = sum(len(set(column)) >= VALUES_MIN for column in columns)
    # A counter in any base differs in its last places only, and grows with time.
    rising = texts == sorted(texts) or texts == sorted(texts, reverse=True)
    with t.check(f"guess-{name}", f"nobody guesses the next {member}", go_on=True) as check:
        check.unique(derived(member, texts, of=answers))
        check.between(derived("places that vary", varying, of=answers), VARYING_MIN, 10_000)
        check.equal(derived("in order", rising, of=answers), expected=False)


class _Window:
    """The time in which everything happened, by the service's clock as far as that is known."""

    def __init__(self) -> None:
        self._from = time.time()
        self._to = self._from
        self._skew = 0.0

    def close(self, answers: Sequence[Answer]) -> None:
        """End it, and read from the answers' dates how far the clocks are apart."""
        self._to = time.time()
        dates = [_date(answer) for answer in answers[-1:]]
        skew = next((date - self._to for date in dates if date is not None), 0.0)
        self._skew = skew if abs(skew) > CLOCK_S else 0.0

    def holds(self, text: Any) -> bool:
        """Tell whether it is a time in UTC within the window."""
        moment = _moment(text)
        if moment is None:
            return False
        return self._from - CLOCK_S <= moment - self._skew <= self._to + CLOCK_S

    def is_ahead(self, text: Any) -> bool:
        """Tell whether it is a time in UTC after it."""
        moment = _moment(text)
        return moment is not None and self._to <= moment - self._skew <= self._to + FUTURE_S


def _check_times(t: CaseContext, window: _Window, answers: Sequence[Answer], book: Book) -> None:
    wrong = []
    count = 0
    for answer in answers:
        for path, name, value in _times("", "", answer.json):
            count += 1
            good = window.is_ahead(value) if name in book.ahead else window.holds(value)
            if not good:
                wrong.append(f"{answer.exchange_id} {path}: {value}")
    with t.check("times", "each time told is UTC, RFC 3339 and true", go_on=True) as check:
        check.equal(derived("times that are not so", wrong, of=answers), [])
        check.between(derived("times told", count, of=answers), 0, 100_000)


def _times(path: str, name: str, value: Any) -> Iterator[tuple[str, str, Any]]:
    if isinstance(value, Mapping):
        for member, inner in value.items():
            yield from _times(f"{path}.{member}", member, inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _times(f"{path}.{number}", name, inner)
    elif value is not None and name.endswith(TIME_NAMES):
        yield path.removeprefix("."), name, value


def _moment(text: Any) -> float | None:
    if not isinstance(text, str) or not RFC3339_UTC.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _date(answer: Answer) -> float | None:
    text = answer.header("date").value
    try:
        return parsedate_to_datetime(str(text)).timestamp()
    except ValueError:
        return None


def _int(answer: Answer, member: str) -> int:
    value = answer.at(member).value
    return value if isinstance(value, int) else -(10**9)


def _float(answer: Answer, member: str) -> float:
    value = answer.at(member).value
    return float(value) if isinstance(value, int | float) else -1.0
