"""Prove each answered exchange by the one line that its service wrote about it.

Ids can't: trace id and correlation id are set by one piece of code, from one object, and are wrong
together when a record is put under another request. What the line says of the request (method,
path, status) comes from the request itself, and is compared with the wire.
"""

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import unquote, urlsplit

from caas_conformance.authoring.suite import AccessLine
from caas_conformance.wire.answer import ExchangeRecord
from caas_observability.correlation import AttemptTelemetry
from caas_observability.receiver.records import ReceivedLog

UNKNOWN_METHOD = "_OTHER"  # as OpenTelemetry has a method that is none


def unproven(
    exchanges: Iterable[ExchangeRecord], telemetry: AttemptTelemetry, access: AccessLine
) -> list[str]:
    """Return what is wrong, an exchange a line: no line about it, several, or one that lies."""
    spans: dict[str, list[str]] = {}
    for span in telemetry.spans:
        if span.kind == "server":
            spans.setdefault(span.parent_span_id, []).append(span.span_id)
    lines: dict[str, list[ReceivedLog]] = {}
    for log in telemetry.logs:
        if log.message == access.message:
            lines.setdefault(log.span_id, []).append(log)
    return [
        f"{x.id} ({x.method} {urlsplit(x.url).path}, {x.status}): {wrong}"
        for x in exchanges
        for wrong in _wrong(
            x, [line for span in spans.get(x.span_id, ()) for line in lines.get(span, ())], access
        )
    ]


def _wrong(
    exchange: ExchangeRecord, found: Sequence[ReceivedLog], access: AccessLine
) -> Iterator[str]:
    if len(found) != 1 and not (found and exchange.retried):
        yield f"{len(found) or 'no'} access {'line' if len(found) < 2 else 'lines'}"  # noqa: PLR2004
        return
    line = found[-1]
    if line.service != exchange.service:
        yield f"the line is {line.service}'s"
    method = line.attributes.get(access.method)
    if method not in (exchange.method, UNKNOWN_METHOD):
        yield f"the line says {method}"
    if not _same_path(str(line.attributes.get(access.path, "")), exchange.url):
        yield f"the line says {line.attributes.get(access.path)}"
    status = line.attributes.get(access.status)
    if (
        str(status) != str(exchange.status) and not exchange.error
    ):  # an answer broken off counts as another
        yield f"the line says {status}"


def _same_path(shown: str, url: str) -> bool:
    """Tell whether a path, its parameters perhaps shown as `{name}`, is that of *url*.

    A path that is not shown names no route; before and behind what is shown there may be more: a
    proxy's prefix, or what a route takes as a whole.
    """
    wanted = shown.strip("/").split("/")
    sent = unquote(urlsplit(url).path).strip("/").split("/")
    return not shown or any(
        all(
            name == value or name.startswith("{")
            for name, value in zip(wanted, sent[start:], strict=False)
        )
        for start in range(len(sent) - len(wanted) + 1)
    )
