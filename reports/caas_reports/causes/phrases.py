"""Clauses that say what was found, about a service or an operation: `body.plan is missing`."""

import re

import msgspec

from caas_reports.causes import parts
from caas_reports.model import Assertion, Exchange, Span

TEXT_CHARS_MAX = 400
SHORT_CHARS_MAX = 60
DETAIL_CHARS_MAX = 160
MISSING = "(missing)"
_INDEX = re.compile(r"\.\d+(?=[.|]|$)")
_UNWANTED = re.compile(r"no such \w+")


def difference(assertion: Assertion) -> tuple[str, str]:
    """Say how an assertion failed: with its values, and as all alike would."""
    at = _INDEX.sub(".*", assertion.at)
    if assertion.at == "status":
        told = f"answered {short(assertion.actual)}, not {short(assertion.expected)}"
        return told, told
    if assertion.actual == MISSING:
        return f"{assertion.at} is missing", f"{at} is missing"
    if _UNWANTED.fullmatch(assertion.expected):
        return f"{assertion.at} is there, and must not be", f"{at} is there, and must not be"
    form = form_of(assertion)
    if max(len(assertion.actual), len(assertion.expected)) <= SHORT_CHARS_MAX:
        what = f"{assertion.at} is {assertion.actual}, not {assertion.expected}"
        return what, form or f"{at} is not what was expected"
    told = parts.told(assertion.at, assertion.expected, assertion.actual)
    return told, form or _INDEX.sub(".*", told.partition(" ")[0]) + " is not what was expected"


_FORMS = {
    "a UUID": "sent what is no UUID",
    "format uuid": "sent what is no UUID",
    "an RFC 3339 time": "sent what is no RFC 3339 time",
    "format date-time": "sent what is no RFC 3339 time",
}


def form_of(assertion: Assertion) -> str:
    """Say which form a value lacks, whatever member it is; empty where a value was wanted.

    One change of a form shows wherever a value of it does, and is one fault.
    """
    return _FORMS.get(assertion.expected, "")


_TELEMETRY = {
    "logs.errors": "logged an error",
    "spans.orphans": "left spans whose parent never arrived",
    "exchanges.without_server_span": "left no server span of a request",
    "exchanges.access_line": "left no access line of a request, or one that does not fit",
    "trace.others": "wrote records of another case into the trace",
    "telemetry.leaks": "wrote a secret into its telemetry",
}
_ABOUT_TELEMETRY = frozenset({"telemetry", "spans", "logs", "trace", "exchanges"})
_LATE = '"did not arrive in time"'
_ABSENT = '"not in the trace"'
_LISTED_SERVICE = re.compile(r'\["([^":]+): ')


def is_telemetry(assertion: Assertion) -> bool:
    """Tell whether an assertion looked at telemetry, not at an answer."""
    return assertion.at.partition(".")[0] in _ABOUT_TELEMETRY


def telemetry_words(assertion: Assertion) -> tuple[str, str, str]:
    """Say what is wrong with telemetry: of which service, what, and as all alike would."""
    listed = _LISTED_SERVICE.match(assertion.actual)
    service = listed[1] if listed else ""
    if assertion.actual in {_LATE, _ABSENT}:
        service = assertion.at.partition(".")[2]
        late = assertion.actual == _LATE
        said = "sent its telemetry too late, or never" if late else "is not in the trace"
    elif assertion.at in _TELEMETRY:
        said = _TELEMETRY[assertion.at]
    else:
        about = ".".join(re.split(r"[.|]", assertion.at)[:2])
        return service, difference(assertion)[0], f"{about} is not what was expected"
    return service, said, said


def exception_of(span: Span) -> str:
    """Name what a failed span says went wrong."""
    for event in span.events:
        facts = event.get("attributes") or {}
        if facts.get("exception.type"):
            return str(facts["exception.type"]).rpartition(".")[2]
    return str(span.attributes.get("error.type", "it failed")).rpartition(".")[2]


def detail_of(exchange: Exchange) -> str:
    """Give what a problem document says of itself, behind a colon."""
    try:
        document = msgspec.json.decode(exchange.response.body)
    except (msgspec.MsgspecError, UnicodeError):
        return ""
    if not isinstance(document, dict):
        return ""
    said = document.get("detail") or document.get("message") or document.get("error")
    return f": {short(said, DETAIL_CHARS_MAX)}" if isinstance(said, str) and said else ""


_VERBS = frozenset({"answered", "gave", "is", "left", "logged", "raised", "sent", "took", "wrote"})


def title(service: str, what: str) -> str:
    """Put a clause behind its service: `auth took 6 s`, `auth: body.plan is missing`."""
    if not service:
        return what
    follows = what.partition(" ")[0] in _VERBS
    return f"{service} {what}" if follows else f"{service}: {what}"


def short(text: str, chars_max: int = SHORT_CHARS_MAX) -> str:
    """Cut a text that is longer."""
    return text if len(text) <= chars_max else f"{text[: chars_max - 1]}…"
