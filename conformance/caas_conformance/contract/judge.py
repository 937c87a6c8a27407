"""Judge every exchange of an attempt, once it has ended, and keep what was seen of the documents.

A violation becomes a check of the case. Those of one kind at one operation and status are one
check, however many answers show it, so that one fault reads as one.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import perf_counter

from caas_conformance.authoring.checks import MUST, Assertion, Check
from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.contract_facts import ContractFacts
from caas_conformance.authoring.shapes import Words
from caas_conformance.contract.document import Contract
from caas_conformance.contract.documents import Contracts
from caas_conformance.contract.rules import SECRET_BYTES_MIN, TITLES, AnswerJudge, Violation
from caas_conformance.contract.seen import Seen
from caas_conformance.wire.answer import ExchangeRecord
from caas_reports import model

CHECK_ID = "contract"
CHECK_TITLE = "every answer keeps the contract of its service"
ASSERTIONS_MAX = 20
EXCHANGES_AT_ONCE = 64  # between two looks at what else waits for the event loop
PROTOCOLS = frozenset({"http", "sse", "raw"})
RAW = "raw"
REGISTERED_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
)
_NO_WORD = re.compile(r"[^a-z0-9]+")
_INDEX = re.compile(r"\.\d+(?=\.|$)")
_REQUEST_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r?\n")


@dataclass(slots=True)
class Judgement:
    """What an attempt's answers were worth.

    Attributes:
        checks: One that says how many were judged, then one for each kind of violation.
        unneeded: Why an exception that the case made is none; empty when all were needed.
        seconds: What judging took.
    """

    checks: list[Check] = field(default_factory=list)
    unneeded: str = ""
    seconds: float = 0.0


class ContractJudge:
    """Judges attempts by the documents that were read at the start of the run.

    Attributes:
        seen: Which operations answered what.
        exchanges: How many answers were judged.
        seconds: What that took in all.
    """

    def __init__(self, contracts: Contracts, facts: ContractFacts) -> None:
        self.contracts = contracts
        self.facts = facts
        self.seen = Seen(contracts.services.values())
        self.exchanges = 0
        self.seconds = 0.0

    @property
    def us_per_answer(self) -> float:
        """Microseconds that judging one answer took."""
        return self.seconds / self.exchanges * 1e6 if self.exchanges else 0.0

    def operations(self) -> tuple[model.DocumentedOperation, ...]:
        """Return every documented operation with what was seen of it."""
        return self.seen.operations(self.facts.unseen)

    async def judge(self, context: CaseContext, case_id: str) -> Judgement:
        """Judge every answer that the attempt got."""
        secrets = [s.encode() for s in context.secrets if len(s) >= SECRET_BYTES_MIN]
        found: dict[tuple[str, ...], Check] = {}
        kept_despite: list[str] = []
        made = Judgement()
        judged = excepted = 0
        began = perf_counter()
        for number, exchange in enumerate(self._answered(context.wire.exchanges), 1):
            if not number % EXCHANGES_AT_ONCE:
                made.seconds += perf_counter() - began
                await asyncio.sleep(0)
                began = perf_counter()
            contract = self.contracts.services[exchange.service]
            one = AnswerJudge(contract, self.facts, _as_sent(exchange), secrets, context.PROBLEMS)
            broken = list(one.violations())
            self.seen.add(exchange.service, one.asked, exchange.status or 0, case_id)
            judged += 1
            if exchange.id in context.contract_exceptions:
                excepted += 1
                if not broken:
                    kept_despite.append(exchange.id)
                continue
            for violation in broken:
                self._note(found, contract, exchange, one, violation)
        made.seconds += perf_counter() - began
        self.exchanges += judged
        self.seconds += made.seconds
        if judged:
            made.checks = [self._summary(judged, excepted, context), *found.values()]
        if kept_despite:
            told = ", ".join(kept_despite)
            made.unneeded = f"excepted from the contract without need: {told} keeps it"
        return made

    def _answered(self, exchanges: Iterable[ExchangeRecord]) -> list[ExchangeRecord]:
        return [
            x
            for x in exchanges
            if x.status is not None
            and not x.error
            and x.protocol in PROTOCOLS
            and x.service in self.contracts.services
            and not self._is_from_below(x)
        ]

    def _is_from_below(self, exchange: ExchangeRecord) -> bool:
        """Tell whether it may be the refusal of a server that read no request in the bytes."""
        if exchange.protocol == RAW and _REQUEST_LINE.match(exchange.sent) is None:
            return True
        odd = exchange.protocol == RAW or exchange.method not in REGISTERED_METHODS
        return odd and exchange.status in self.facts.below_edge

    def _note(
        self,
        found: dict[tuple[str, ...], Check],
        contract: Contract,
        exchange: ExchangeRecord,
        one: AnswerJudge,
        violation: Violation,
    ) -> None:
        path = one.asked.path if one.asked.operation else "(not documented)"
        operation = f"{exchange.method} {path} {exchange.status}"
        key = (violation.kind, contract.service, operation)
        check = found.get(key)
        if check is None:
            title = f"{contract.service} {operation}: {TITLES[violation.kind]}"
            check = found[key] = self._check(_check_id(*key), title)
            check.exchange = exchange.id
        at = _INDEX.sub(".*", violation.at)
        known = {(_INDEX.sub(".*", a.at), a.expected) for a in check.assertions}
        if (at, violation.expected) in known or len(check.assertions) >= ASSERTIONS_MAX:
            return
        check.assertions.append(
            Assertion(violation.at, violation.expected, violation.actual, False, "", exchange.id)  # noqa: FBT003
        )

    def _summary(self, judged: int, excepted: int, context: CaseContext) -> Check:
        check = self._check(CHECK_ID, CHECK_TITLE)
        told = Words(f"{judged} judged, {excepted} excepted")
        check.assertions.append(
            Assertion("answers", Words("each judged by its document"), told, passed=True)
        )
        for exchange, reason in context.contract_exceptions.items():
            check.assertions.append(
                Assertion(
                    "answers.excepted", Words("a reason"), reason, passed=True, exchange=exchange
                )
            )
        return check

    def _check(self, check_id: str, title: str) -> Check:
        return Check(
            check_id,
            title,
            level=MUST,
            requirements=self.facts.requirements,
            step=None,
            go_on=True,
            on_close=lambda _: None,
        )


def _check_id(kind: str, service: str, operation: str) -> str:
    words = _NO_WORD.sub("-", f"{service} {operation}".lower()).strip("-")
    return f"{CHECK_ID}-{kind}-{words}"


def _as_sent(exchange: ExchangeRecord) -> ExchangeRecord:
    """Return a raw exchange with the request line that its bytes have."""
    line = _REQUEST_LINE.match(exchange.sent) if exchange.protocol == RAW else None
    if line is None:
        return exchange
    target = line[2].decode("latin-1")
    told = ExchangeRecord(
        exchange.id, protocol="http", service=exchange.service, method=line[1].decode(),
        url=target if "://" in target else f"{exchange.url}{target}",
    )  # fmt: skip
    told.status, told.body = exchange.status, exchange.body
    told.response_headers = exchange.response_headers
    return told
