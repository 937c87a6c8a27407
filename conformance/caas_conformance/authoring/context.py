"""What a case holds in its hands: clients, steps, checks, secrets."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, NoReturn, Protocol

import msgspec

from caas_conformance.authoring.checks import CHECK_ID, MUST, SHOULD, Check, Problems
from caas_conformance.authoring.polling import WAIT_MAX_S, until
from caas_conformance.errors import (
    AuthoringError,
    CaseSkippedError,
    CaseStoppedError,
    EnvironmentBrokenError,
)
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.client import Endpoint, ServiceClient, Wire
from caas_conformance.wire.evidence import Value
from caas_conformance.wire.sse import EventStream, open_stream
from caas_conformance.wire.trace_context import AttemptTrace
from caas_observability.correlation import AttemptTelemetry
from caas_observability.redaction import Redactor

STEPS_MAX = 200
CHECKS_MAX = 500


class RecordedTelemetry(Protocol):
    """What the services recorded for an attempt that still runs."""

    async def settled_now(self, context: "CaseContext") -> AttemptTelemetry:
        """Return it once it is complete."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What every attempt of a run shares; nothing in here changes while cases run.

    Attributes:
        endpoints: Where each service listens, by its `service.name`.
        secrets: What the target trusts its own services by, by environment variable.
        context: What the suite's cases are given.
        telemetry: None when none is received.
        ended: How often cases ended a process of the platform on purpose, by its name.
        own_state: The state folder of a platform that the runner has started for the run.
        replicas: Where the other instances of a service listen, where there are some.
    """

    endpoints: dict[str, Endpoint]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    context: type["CaseContext"] = field(default_factory=lambda: CaseContext)
    telemetry: RecordedTelemetry | None = None
    replicas: Mapping[str, Sequence[Endpoint]] = field(default_factory=dict)
    own_state: Path | None = None
    ended: Counter[str] = field(default_factory=Counter)

    def endpoint(self, service: str) -> Endpoint:
        """Return where *service* listens.

        Raises:
            EnvironmentBrokenError: the target has no URL for it.
        """
        found = self.endpoints.get(service)
        if found is None:
            raise EnvironmentBrokenError(f"the target has no URL for {service}")
        return found

    def instances(self, service: str) -> tuple[Endpoint, ...]:
        """Return where each instance of *service* listens; the first is `endpoint`'s."""
        return (self.endpoint(service), *self.replicas.get(service, ()))

    @property
    def every_endpoint(self) -> tuple[Endpoint, ...]:
        """Every instance of every service."""
        return tuple(e for service in self.endpoints for e in self.instances(service))


@dataclass(slots=True)
class StepRecord:
    """A named part of an attempt; times are `perf_counter()` seconds."""

    name: str
    started_at: float
    ended_at: float = 0.0


class CaseContext:
    """One attempt of one case.

    A failed MUST check stops the case at the end of the step it stands in, or, outside of a
    step, before anything more is sent; later checks on what is already there still count.

    A suite derives its own from it, with clients and fixtures by the names of its domain.
    """

    PROBLEMS: ClassVar[Problems] = Problems()
    """How the system writes its problem documents."""

    def __init__(
        self, environment: Environment, trace: AttemptTrace, requirements: tuple[str, ...]
    ) -> None:
        self.trace = trace
        self.wire = Wire(trace, self._stop_if_failed)
        self.checks: list[Check] = []
        self.steps: list[StepRecord] = []
        self.telemetry_wait_s = 0.0
        self.contract_exceptions: dict[str, str] = {}
        self.secrets: set[str] = {secret for secret in environment.secrets.values() if secret}
        for service in environment.endpoints:
            self.secrets.update(*(at.secrets for at in environment.instances(service)))
        self._environment = environment
        self._requirements = requirements
        self._clients: dict[str, ServiceClient] = {}
        self._check_ids: set[str] = set()
        self._stopping = ""
        self._ended = False
        self._step: int | None = None

    # -- the platform -----------------------------------------------------------------------

    def service(self, name: str) -> ServiceClient:
        """Return the client of a service's first instance by its `service.name`."""
        return self._client(self._environment.endpoint(name))

    def instances(self, name: str) -> tuple[ServiceClient, ...]:
        """Return a client of each instance of a service; the first is `service`'s."""
        return tuple(self._client(endpoint) for endpoint in self._environment.instances(name))

    def has_service(self, name: str) -> bool:
        """Tell whether the target runs *name*; for cases that walk all services."""
        return name in self._environment.endpoints

    @property
    def service_names(self) -> tuple[str, ...]:
        """Every service of the target."""
        return tuple(self._environment.endpoints)

    async def raw(self, service: str, message: bytes) -> Answer:
        """Send *message* byte for byte; the answer may be a closed connection."""
        return await self.service(service).raw(message)

    def stream(
        self, service: str, path: str, *, method: str = "GET", **options: Any
    ) -> AbstractAsyncContextManager[EventStream]:
        """Open a stream of server-sent events; options as in `ServiceClient.request`."""
        return open_stream(self.service(service), method, path, **options)

    def target_secret(self, variable: str) -> str:
        """Return one of the target's own secrets, by its environment variable.

        Raises:
            EnvironmentBrokenError: it is not known to the runner.
        """
        secret = self._environment.secrets.get(variable)
        if not secret:
            raise EnvironmentBrokenError(f"a secret of the target is unknown: set {variable}")
        return secret

    async def until(
        self,
        send: Callable[[], Awaitable[Answer]],
        holds: Callable[[Answer], bool],
        *,
        within_s: float,
    ) -> Answer:
        """Send again and again until *holds*, and return the last answer, holding or not.

        The caller checks the answer; waiting proves nothing by itself.
        """
        return await until(send, holds, within_s=within_s)

    async def wait(self, seconds: float) -> None:
        """Let time pass that the platform has asked for; it counts as waiting for it."""
        if not 0 <= seconds <= WAIT_MAX_S:
            raise AuthoringError(f"a wait is 0 to {WAIT_MAX_S:g} seconds")
        self.wire.entered(perf_counter())
        try:
            await asyncio.sleep(seconds)
        finally:
            self.wire.left(perf_counter())

    async def recorded(self) -> Value:
        """Return the spans and log lines of this case so far, as evidence.

        `.at("spans")` and `.at("logs")` are lists of objects with `service`, `trace_id`,
        `span_id`, `attributes` and `name`, `kind`, `status`, `parent_span_id` or `level`,
        `message`; `.at("services")` lists who recorded a span.

        Raises:
            CaseSkippedError: the run receives no telemetry.
        """
        if self._environment.telemetry is None:
            raise CaseSkippedError("the run receives no telemetry")
        began = perf_counter()
        found = await self._environment.telemetry.settled_now(self)
        self.telemetry_wait_s += perf_counter() - began
        view = {
            "spans": [msgspec.to_builtins(span) for span in found.spans],
            "logs": [msgspec.to_builtins(log) for log in found.logs],
            "services": sorted({span.service for span in found.spans}),
        }
        return Value("telemetry", view)

    async def flushed(self) -> None:
        """Wait until what the services recorded so far has arrived, where it is received."""
        if self._environment.telemetry is not None:
            await self.recorded()

    @property
    def own_state(self) -> Path:
        """The state folder of the platform, for cases tagged `greybox`.

        Raises:
            CaseSkippedError: The runner has not started the platform itself.
        """
        if self._environment.own_state is None:
            raise CaseSkippedError("greybox: the runner has not started this platform itself")
        return self._environment.own_state

    def ends_process(self, name: str) -> None:
        """Note that the case ends a process of the platform: it did not die of itself."""
        self._environment.ended[name] += 1

    # -- structure --------------------------------------------------------------------------

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[None]:
        """Group what is sent and checked under *name*; steps do not nest."""
        if self._step is not None:
            raise AuthoringError(f"step {name!r} inside step {self.steps[self._step].name!r}")
        self._stop_if_failed()
        if len(self.steps) >= STEPS_MAX:
            raise AuthoringError(f"over {STEPS_MAX} steps")
        self._step = self.wire.step = len(self.steps)
        record = StepRecord(name, perf_counter())
        self.steps.append(record)
        try:
            yield
        finally:
            record.ended_at = perf_counter()
            self._step = self.wire.step = None
        self._stop_if_failed()

    def check(
        self,
        check_id: str,
        title: str,
        *,
        level: str = MUST,
        requirements: Sequence[str] = (),
        go_on: bool = False,
    ) -> Check:
        """Open a check, to be used with `with`.

        Args:
            check_id: Lower-case words joined by `-`, unique within the case.
            title: What is claimed.
            level: `MUST`, or `SHOULD`, whose failure is a warning.
            requirements: Those it covers; the case's when left out.
            go_on: Let the case go on though this MUST check failed.
        """
        if not CHECK_ID.fullmatch(check_id) or not title.strip():
            raise AuthoringError(f"check {check_id!r}: id is words joined by '-', with a title")
        if check_id in self._check_ids or len(self.checks) >= CHECKS_MAX:
            raise AuthoringError(f"check {check_id!r} is opened twice, or there are too many")
        if level not in (MUST, SHOULD):
            raise AuthoringError(f"check {check_id!r}: level is MUST or SHOULD")
        self._check_ids.add(check_id)
        return Check(
            check_id,
            title,
            level=level,
            requirements=tuple(requirements) or self._requirements,
            step=self._step,
            go_on=go_on,
            on_close=self._closed,
            problems=self.PROBLEMS,
        )

    def skip(self, reason: str) -> NoReturn:
        """End the case as `skipped`; a skipped case is listed with its reason."""
        raise CaseSkippedError(reason)

    def breaks_contract(self, answer: Answer, *, reason: str) -> Answer:
        """Except an answer that breaks the contract on purpose, and return it.

        The report shows the reason; an answer that keeps its contract all the same is an error
        of the case.

        Raises:
            AuthoringError: there is no reason.
        """
        if not reason.strip():
            raise AuthoringError("breaks_contract needs a reason")
        self.contract_exceptions[answer.exchange_id] = reason
        return answer

    # -- values -----------------------------------------------------------------------------

    def unique(self, name: str) -> str:
        """Return *name* with a part that no other attempt or run has."""
        return f"{name}-{secrets.token_hex(6)}"

    def secret(self, value: str) -> str:
        """Make sure that *value* appears in no report, and return it."""
        self.secrets.add(value)
        return value

    def given(self, answer: Answer, status: int, what: str) -> Answer:
        """Return *answer*, which set the case up; fail and end the case unless it is *status*."""
        if answer.status != status:
            self.setup_failed(answer, what, status)
        return answer

    def need(self, answer: Answer, *paths: str) -> list[str]:
        """Return the texts of the answer that the rest of the case is built on.

        A missing one is recorded as a failed check and stops the case.
        """
        return self.need_text(*(answer.at(path) for path in paths))

    def need_text(self, *values: Value) -> list[str]:
        """Return the texts of *values*; as `need`."""
        missing = [v for v in values if not isinstance(v.value, str) or not v.value]
        if missing:
            with self._own_check("prerequisite", "what the case is built on is there") as check:
                for value in missing:
                    check.matches(value, str)
            raise CaseStoppedError(f"no {missing[0].path}")
        return [value.value for value in values]

    # -- inner ------------------------------------------------------------------------------

    def close(self) -> None:
        """End the attempt: close its connections; what still runs of it is not recorded."""
        self._judge_late()
        for broken in filter(None, [unseen() for unseen in self.wire.at_close]):
            self._record_unanswered(broken)
        self.wire.close()
        self._ended = True

    def _client(self, endpoint: Endpoint) -> ServiceClient:
        client = self._clients.get(endpoint.url)
        if client is None:
            client = ServiceClient(self.wire, endpoint, self._record_unanswered)
            self._clients[endpoint.url] = client
        return client

    def redactor(self) -> Redactor:
        """Return a redactor that knows every secret of this attempt so far."""
        return Redactor(self.secrets)

    def _closed(self, check: Check) -> None:
        if self._ended:
            return
        self.checks.append(check)
        if check.failed and check.level == MUST and not check.go_on:
            self._stopping = self._stopping or check.id

    def _stop_if_failed(self) -> None:
        if self._ended:
            raise CaseStoppedError("the case has ended")
        self._judge_late()
        if self._stopping and self._step is None:
            raise CaseStoppedError(f"check {self._stopping} failed")

    def _judge_late(self) -> None:
        """Record as failed what came behind answers that had counted as whole."""
        while self.wire.late:
            late = Answer(self.wire.late.pop())
            late.status = late.exchange.status
            self._record_unanswered(late)

    def _own_check(self, check_id: str, title: str) -> Check:
        unused = f"{check_id}-{len(self.checks) + 1}"
        return self.check(unused, title)

    def _record_unanswered(self, answer: Answer) -> None:
        with self._own_check("answered", "the service answers the request") as check:
            check.equal(Value("outcome", answer.outcome, answer.exchange_id), "a whole answer")

    @property
    def in_step(self) -> bool:
        """Whether a step is open."""
        return self._step is not None

    def setup_failed(self, answer: Answer, what: str, expected: int) -> NoReturn:
        """Record that a prerequisite was not met and stop the case."""
        with self._own_check("setup", f"prerequisite: {what}") as check:
            check.status(answer, expected)
        raise CaseStoppedError(f"{what}: expected {expected}, got {answer.outcome}")
