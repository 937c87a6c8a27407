"""What one answer must keep: its operation's document, and what the suite promises of every one."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from caas_conformance.authoring.checks import Problems
from caas_conformance.authoring.contract_facts import AnswerHeader, ContractFacts
from caas_conformance.authoring.shapes import Words, compare
from caas_conformance.contract.document import Contract, Header, Operation, Response
from caas_conformance.contract.schemas import FORMAT, UNDOCUMENTED
from caas_conformance.wire.answer import ExchangeRecord
from caas_conformance.wire.evidence import MISSING
from caas_observability.redaction import is_secret_name

STATUS = "status"
OPERATION = "operation"
MEDIA_TYPE = "media-type"
HEADER = "header"
BODY = "body"
BODY_FORMAT = "format"
UNDOCUMENTED_MEMBER = "undocumented-member"
PROBLEM = "problem"
CACHEABLE_SECRET = "cacheable-secret"  # noqa: S105 - the name of a rule

TITLES: Mapping[str, str] = {
    OPERATION: "the document lists what was asked for",
    STATUS: "the status is documented",
    MEDIA_TYPE: "the media type is documented",
    HEADER: "the headers that it must have are there, and right",
    BODY: "the body keeps its schema",
    BODY_FORMAT: "values are of the format that is documented",
    UNDOCUMENTED_MEMBER: "the body has no member that is not documented",
    PROBLEM: "the problem document is complete",
    CACHEABLE_SECRET: "no secret lies in an answer that may be stored",
}
REFUSED_FROM = 400
BODYLESS = frozenset({204, 205, 304})
SECRET_BYTES_MIN = 8
NESTING_MAX = 32
_UNSTORED = re.compile(r"(?:^|[\s,])(?:no-store|private)(?:$|[\s,;=])", re.IGNORECASE)
_UNREAD: Any = object()


class Violation(NamedTuple):
    """One way in which an answer breaks the contract."""

    kind: str
    at: str
    expected: Words
    actual: Any


class Asked(NamedTuple):
    """What an exchange was about, in the contract's words."""

    method: str
    path: str  # the template, or the path as sent when no document lists it
    listed: bool  # whether the document has the path
    operation: Operation | None
    response: Response | None


class AnswerJudge:
    """Judges one answer of one service.

    Args:
        contract: What the service's document says.
        facts: What the suite says of every answer.
        exchange: The answer, whole.
        secrets: What no answer that may be stored holds.
        problems: What every problem document of the system has.
    """

    def __init__(
        self,
        contract: Contract,
        facts: ContractFacts,
        exchange: ExchangeRecord,
        secrets: Collection[bytes],
        problems: Problems,
    ) -> None:
        self._contract = contract
        self._facts = facts
        self._exchange = exchange
        self._secrets = secrets
        self._problems = problems
        self._status = exchange.status or 0
        self._headers: dict[str, list[str]] = {}
        for name, value in exchange.response_headers:
            self._headers.setdefault(name.lower(), []).append(value)
        content_type = ", ".join(self._headers.get("content-type", ()))
        self._media_type = content_type.partition(";")[0].strip().lower()
        self._has_body = exchange.method != "HEAD" and self._status not in BODYLESS
        self._decoded: Any = _UNREAD
        self.asked = self._find()

    def violations(self) -> Iterator[Violation]:
        """Yield every rule that the answer breaks."""
        yield from self._on_every_answer()
        if self._outside_reason() is None:
            yield from self._documented()
        if self._status >= REFUSED_FROM:
            yield from self._problem()
        yield from self._stored()

    # -- what was asked for ------------------------------------------------------------------

    def _find(self) -> Asked:
        method, path = self._exchange.method, urlsplit(self._exchange.url).path
        item = self._contract.find(path)
        if item is None and self._facts.trailing_slash:
            item = self._contract.find(path.rstrip("/"))
        if item is None:
            return Asked(method, path, False, None, None)  # noqa: FBT003 - a member by place
        operation = item.operation(method)
        response = operation.response(self._status) if operation else None
        return Asked(method, item.template, True, operation, response)  # noqa: FBT003

    def _outside_reason(self) -> str | None:
        return self._facts.outside.get(self.asked.path) if self.asked.operation is None else None

    # -- the document ------------------------------------------------------------------------

    def _documented(self) -> Iterator[Violation]:
        operation, response = self.asked.operation, self.asked.response
        if operation is None:
            yield from self._undocumented()
        elif response is None:
            told = Words(f"documented: {', '.join(sorted(operation.responses))}")
            yield Violation(STATUS, "status", told, self._status)
        else:
            yield from self._documented_headers(response)
            yield from self._content(response)

    def _undocumented(self) -> Iterator[Violation]:
        """Judge the answer to what no document lists: it may be refused and nothing else."""
        if not self.asked.listed:
            allowed, what = self._facts.elsewhere, "path"
        elif self.asked.method == "OPTIONS":
            allowed, what = self._facts.options | self._facts.other_methods, "method"
        else:
            allowed, what = self._facts.other_methods, "method"
        if self._status not in allowed | self._facts.before_routing:
            wanted = " or ".join(map(str, sorted(allowed)))
            told = Words(f"{wanted}, for the {what} is not documented")
            yield Violation(OPERATION, "status", told, self._status)

    def _documented_headers(self, response: Response) -> Iterator[Violation]:
        for header in response.headers:
            values = self._headers.get(header.name)
            at = f"header.{header.name}"
            if values is None:
                if header.required:
                    yield Violation(HEADER, at, Words("required"), MISSING)
                continue
            value = _converted(header, ", ".join(values))
            for fault in self._contract.schema(header.judged_by).faults(value)[:1]:
                yield Violation(HEADER, at, fault.expected, value)

    def _content(self, response: Response) -> Iterator[Violation]:
        if not self._has_body or (not response.content and not self._exchange.body):
            return
        if not response.content:
            yield Violation(BODY, "body", Words("none is documented"), Words("a body"))
            return
        documented = _matching(response.content, self._media_type)
        if documented is None:
            told = Words(f"documented: {', '.join(sorted(response.content))}")
            shown = self._media_type or MISSING
            yield Violation(MEDIA_TYPE, "header.content-type", told, shown)
            return
        schema = response.content[documented]
        if schema is None or self._exchange.protocol != "http":
            return
        value = self._value()
        if value is MISSING:
            yield Violation(BODY, "body", Words(f"a body of {self._media_type}"), MISSING)
            return
        for fault in self._contract.schema(schema).faults(value):
            kind = {FORMAT: BODY_FORMAT, UNDOCUMENTED: UNDOCUMENTED_MEMBER}.get(fault.sort, BODY)
            at = ".".join(("body", *map(str, fault.path)))
            yield Violation(kind, at, fault.expected, fault.actual)

    def _value(self) -> Any:
        """Return the body as its schema sees it: JSON decoded, everything else as text."""
        if self._decoded is _UNREAD:
            body = self._exchange.body
            try:
                self._decoded = (
                    msgspec.json.decode(body) if _is_json(self._media_type) else body.decode()
                )
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self._decoded = MISSING
        return self._decoded

    # -- the suite ---------------------------------------------------------------------------

    def _on_every_answer(self) -> Iterator[Violation]:
        for header in self._facts.headers:
            yield from self._promised(header)
        for name in self._facts.status_headers.get(self._status, ()):
            if name not in self._headers:
                yield Violation(HEADER, f"header.{name}", Words("required"), MISSING)

    def _promised(self, header: AnswerHeader) -> Iterator[Violation]:
        at, values = f"header.{header.name}", self._headers.get(header.name)
        if values is None:
            yield Violation(HEADER, at, Words("required"), MISSING)
            return
        value = ", ".join(values)
        found = header.pattern.fullmatch(value)
        if found is None:
            yield Violation(HEADER, at, Words(f"like /{header.pattern.pattern}/"), value)
            return
        for name, asked in self._exchange.request_headers if header.echoes else ():
            sent = header.pattern.fullmatch(asked) if name.lower() == header.echoes else None
            if sent is not None and sent["same"] != found["same"]:
                yield Violation(HEADER, at, Words(f"as in the request's {header.echoes}"), value)

    def _problem(self) -> Iterator[Violation]:
        wanted, response = self._facts.problem_media_type, self.asked.response
        if not wanted or not self._has_body:
            return
        said_otherwise = response is not None and _matching(response.content, self._media_type)
        if said_otherwise and self._media_type != wanted:
            return
        if self._media_type != wanted:
            shown = self._media_type or MISSING
            yield Violation(PROBLEM, "header.content-type", Words(wanted), shown)
            return
        body = self._value()
        for found in compare("body", body, self._problems.shape(self._status)):
            if not found.passed:
                yield Violation(PROBLEM, found.path, Words(found.expected), found.actual)

    def _stored(self) -> Iterator[Violation]:
        """Look for secrets where a cache may keep the answer (RFC 9111, 3)."""
        control = ", ".join(self._headers.get("cache-control", ()))
        if _UNSTORED.search(control):
            return
        at, told = "header.cache-control", Words("no-store or private")
        shown: Any = control or MISSING
        if "set-cookie" in self._headers:
            yield Violation(CACHEABLE_SECRET, at, Words(f"{told}, for it sets a cookie"), shown)
        body = self._exchange.body
        member = _secret_member(self._value(), self._facts.public_members, 0) if body else ""
        if member:
            yield Violation(CACHEABLE_SECRET, at, Words(f"{told}, for it holds {member}"), shown)
        elif any(secret in body for secret in self._secrets):
            yield Violation(CACHEABLE_SECRET, at, Words(f"{told}, for it holds a secret"), shown)


def _secret_member(value: Any, public: Collection[str], depth: int) -> str:
    """Return the name of a member that holds a secret; empty when there is none."""
    if depth > NESTING_MAX:
        return ""
    if isinstance(value, dict):
        for name, member in value.items():
            if isinstance(member, str) and member and is_secret_name(name) and name not in public:
                return str(name)
        value = list(value.values())
    if isinstance(value, list):
        return next((n for v in value if (n := _secret_member(v, public, depth + 1))), "")
    return ""


def _is_json(media_type: str) -> bool:
    return media_type == "application/json" or media_type.endswith("+json")


def _matching(content: Mapping[str, Any], media_type: str) -> str | None:
    """Return the documented media type or range that is meant, the most specific one."""
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((known for known in ranges if known in content), None) if media_type else None


def _converted(header: Header, text: str) -> Any:
    """Read a header's text as its schema's type has it."""
    kind = header.schema.get("type")
    try:
        match kind:
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}.get(text, text)
            case "array":
                return [part.strip() for part in text.split(",")]
    except ValueError:
        pass
    return text
