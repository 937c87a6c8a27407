"""The last look before anything is written: no secret that the runner knows is in there.

Every attempt was redacted with its own secrets; this finds one that turned up under another
attempt, or in a place that no rule foresaw. What is found is blotted out, and the run fails.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from caas_observability.receiver.records import ReceivedLog, ReceivedSpan
from caas_observability.redaction import REDACTED
from caas_reports.model import Case

SECRET_CHARS_MIN = 8
_TOKEN = re.compile(rb"[A-Za-z0-9_.!~+/=-]{8,}")


def scrubbed(cases: tuple[Case, ...], secrets: Iterable[str]) -> tuple[tuple[Case, ...], int]:
    """Return *cases* without any of *secrets*, and how many of them were found."""
    encoded = msgspec.json.encode(cases)
    clean, found = _scrub(encoded, secrets)
    if not found:
        return cases, 0
    return msgspec.json.decode(clean, type=tuple[Case, ...]), found


def scrub_file(path: Path, secrets: Iterable[str]) -> int:
    """Blot *secrets* out of a file; return how many of them were found."""
    clean, found = _scrub(path.read_bytes(), secrets)
    if found:
        path.write_bytes(clean)
    return found


def exposed(records: Sequence[ReceivedSpan | ReceivedLog], secrets: Iterable[str]) -> list[str]:
    """Return where the platform wrote one of *secrets* into its telemetry, without the secret.

    The records are looked at as they came: what is shown later has been redacted.
    """
    # Each record once, not once for each secret: an attempt has few secrets in few records.
    texts = [msgspec.json.encode(record) for record in records]
    everything = b"\n".join(texts)
    known = [msgspec.json.encode(s)[1:-1] for s in secrets if len(s) >= SECRET_CHARS_MIN]
    leaked = [secret for secret in known if secret in everything]
    return [
        f"{record.service}: {'log' if isinstance(record, ReceivedLog) else f'span {record.name}'}"
        for record, text in zip(records, texts, strict=True)
        if any(secret in text for secret in leaked)
    ]


def _scrub(content: bytes, secrets: Iterable[str]) -> tuple[bytes, int]:
    # A thousand searches of 20 MB take seconds. Almost every secret is made of token
    # characters alone, so it can only stand within one token, and few tokens are distinct.
    tokens = b"\n".join(set(_TOKEN.findall(content)))
    found = 0
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) < SECRET_CHARS_MIN:
            continue
        wire = msgspec.json.encode(secret)[1:-1]
        if wire in (tokens if _TOKEN.fullmatch(wire) else content) and wire in content:
            found += 1
            content = content.replace(wire, REDACTED.encode())
    return content, found
