"""The last look before a run ends: no secret that the runner knows is in what it wrote.

Every attempt was redacted with its own secrets; this finds one that turned up under another
attempt, or in a place that no rule foresaw. What is found is blotted out, and the run fails.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from caas_observability.receiver.records import ReceivedLog, ReceivedSpan
from caas_observability.redaction import REDACTED
from caas_reports import archive
from caas_reports.figures import Figures
from caas_reports.model import Case, Evidence

SECRET_CHARS_MIN = 8
BLOCK = 8
SURE_CHARS = 2 * BLOCK - 1
"""A text this long holds a whole block of eight, wherever it begins."""
PIECE_BYTES = 4 * 1024 * 1024

Model = TypeVar("Model", tuple[Case, ...], Figures)


class Leaks:
    """Looks for many secrets in much text: thousands of searches of a gigabyte take hours.

    Text is cut into blocks of eight bytes. Whatever holds a secret of `SURE_CHARS` holds one of
    the eight blocks that its end can be cut into; only then is it searched for. The end is taken,
    as many tokens begin alike.

    Attributes:
        found: The secrets seen so far.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        wires = {_wire(secret) for secret in secrets if len(secret) >= SECRET_CHARS_MIN}
        self.found: set[bytes] = set()
        self._short = sorted((w for w in wires if len(w) < SURE_CHARS), key=len, reverse=True)
        self._by_block: defaultdict[int, list[bytes]] = defaultdict(list)
        for wire in wires:
            for block in _possible_blocks(wire) if len(wire) >= SURE_CHARS else ():
                self._by_block[block].append(wire)
        self._blocks = set(self._by_block)

    def scrubbed(self, content: bytes) -> bytes:
        """Return *content* without any secret."""
        for wire in sorted(self._within(content), key=len, reverse=True):
            if wire in content:
                self.found.add(wire)
                content = content.replace(wire, REDACTED.encode())
        return content

    def _within(self, content: bytes) -> set[bytes]:
        blocks = memoryview(content)[: len(content) // BLOCK * BLOCK].cast("Q")
        seen = self._blocks.intersection(blocks)
        suspects = {wire for block in seen for wire in self._by_block[block]}
        return suspects | {wire for wire in self._short if wire in content}


def _possible_blocks(wire: bytes) -> Iterator[int]:
    end = wire[-SURE_CHARS:]
    for start in range(BLOCK):
        yield memoryview(end[start : start + BLOCK]).cast("Q")[0]


def _wire(secret: str) -> bytes:
    """Return a text as JSON holds it."""
    return msgspec.json.encode(secret)[1:-1]


def scrub(value: Model, leaks: Leaks) -> Model:
    """Return a part of the report's model without any secret."""
    encoded = msgspec.json.encode(value)
    clean = leaks.scrubbed(encoded)
    return value if clean == encoded else msgspec.json.decode(clean, type=_kind(value))


def _kind(value: Any) -> Any:
    """Return what to decode a value as; a tuple holds cases."""
    return tuple[Case, ...] if isinstance(value, tuple) else type(value)


def scrub_archive(path: Path, evidence: Evidence, leaks: Leaks) -> Evidence:
    """Blot secrets out of an evidence file; return where its members are now."""
    return archive.rewrite(path, evidence, leaks.scrubbed)


def scrub_lines(path: Path, leaks: Leaks) -> None:
    """Blot secrets out of a file of lines, whatever its size; written only when there is one."""
    if all(leaks.scrubbed(piece) == piece for piece in _pieces(path)):
        return
    draft = path.with_name(f".{path.name}")
    with draft.open("wb") as clean:
        clean.writelines(map(leaks.scrubbed, _pieces(path)))
    draft.replace(path)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as lines:
        while piece := lines.read(PIECE_BYTES):
            yield piece + lines.readline()


def exposed(records: Sequence[ReceivedSpan | ReceivedLog], secrets: Iterable[str]) -> list[str]:
    """Return where the platform wrote one of *secrets* into its telemetry, without the secret.

    The records are looked at as they came: what is shown later has been redacted.
    """
    # Each record once, not once for each secret: an attempt has few secrets in few records.
    texts = [msgspec.json.encode(record) for record in records]
    everything = b"\n".join(texts)
    known = [_wire(s) for s in secrets if len(s) >= SECRET_CHARS_MIN]
    leaked = [secret for secret in known if secret in everything]
    return [
        f"{record.service}: {'log' if isinstance(record, ReceivedLog) else f'span {record.name}'}"
        for record, text in zip(records, texts, strict=True)
        if any(secret in text for secret in leaked)
    ]
