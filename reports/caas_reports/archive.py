"""The whole evidence of a run's attempts, compressed: written as it comes, read on demand.

`evidence.jsonl.gz` has an attempt a line, in gzip members of about a megabyte: `zcat` reads all of
it, and who wants one attempt unpacks one member. Every line is on disk before the run goes on, so
that a killed run keeps what it had found.
"""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from caas_reports.errors import UnreadableRunError
from caas_reports.model import Attempt, Check, Evidence, Kept, Run

FILENAME = "evidence.jsonl.gz"
MEMBER_BYTES = 1024 * 1024
"""Of plain text; the attempt that reaches it is the last of its member."""
MEMBER_MAX_BYTES = 512 * 1024 * 1024
READ_BYTES = 1024 * 1024
COMPRESSION_LEVEL = 6
_GZIP = 16 + zlib.MAX_WBITS


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the file: an attempt, and whose it is."""

    case: str
    attempt: Attempt


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(Line)


def encode(case_id: str, attempt: Attempt) -> bytes:
    """Return an attempt's line, without its end."""
    return _ENCODER.encode(Line(case=case_id, attempt=attempt))


def brief(attempt: Attempt, kept: Kept | None) -> Attempt:
    """Return *attempt* as it stands in `run.json` when its evidence is kept beside it."""
    return msgspec.structs.replace(
        attempt,
        steps=(),
        checks=tuple(map(_brief_check, attempt.checks)),
        exchanges=(),
        spans=(),
        logs=(),
        kept=kept,
        services=services(attempt),
    )


def _brief_check(check: Check) -> Check:
    """Leave out every assertion but the one that says why the check failed."""
    failed = tuple(found for found in check.assertions if not found.passed)
    return msgspec.structs.replace(check, assertions=failed[:1])


def services(attempt: Attempt) -> tuple[str, ...]:
    """List who was asked or left a span or a log line, by name."""
    parts = (attempt.exchanges, attempt.spans, attempt.logs)
    return tuple(sorted({item.service for part in parts for item in part} | {*attempt.services}))


class ArchiveWriter:
    """Appends attempts to a new file.

    Raises:
        OSError: it can't be written; also from its methods.
    """

    def __init__(self, path: Path, *, member_bytes: int = MEMBER_BYTES) -> None:
        self._file = path.open("wb", buffering=0)
        self._member_bytes = member_bytes
        self._offsets: list[int] = []
        self._packer: zlib._Compress | None = None
        self._lines = self._bytes = self._attempts = 0

    def add(self, case_id: str, attempt: Attempt) -> Kept:
        """Write an attempt; the kernel has it when this returns."""
        return self.add_line(encode(case_id, attempt))

    def add_line(self, line: bytes) -> Kept:
        """Write an attempt that is encoded already."""
        if self._packer is None:
            self._offsets.append(self._file.tell())
            self._packer = zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, _GZIP)
            self._lines = self._bytes = 0
        packed = self._packer.compress(line + b"\n") + self._packer.flush(zlib.Z_SYNC_FLUSH)
        _write(self._file, packed)
        kept = Kept(member=len(self._offsets) - 1, line=self._lines)
        self._lines += 1
        self._attempts += 1
        self._bytes += len(line)
        if self._bytes >= self._member_bytes:
            self.end_member()
        return kept

    def end_member(self) -> None:
        """Let the next attempt begin a member of its own."""
        packer, self._packer = self._packer, None
        if packer is not None:
            _write(self._file, packer.flush())

    def close(self) -> Evidence:
        """End the file; return what `run.json` says of it."""
        self.end_member()
        size = self._file.tell()
        self._file.close()
        return Evidence(bytes=size, attempts=self._attempts, members=tuple(self._offsets))


def _write(file: object, content: bytes) -> None:
    """Write all of it: an unbuffered file may take a part."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]  # type: ignore[attr-defined]


class Archive:
    """Reads attempts of one run; without a file, what the run itself holds is all there is."""

    def __init__(self, path: Path | None, evidence: Evidence) -> None:
        self._path = path if path is not None and path.is_file() else None
        self._starts = evidence.members
        self._ends = (*evidence.members[1:], evidence.bytes)
        self._open = -1
        self._lines: list[bytes] = []

    @classmethod
    def beside(cls, directory: Path, run: Run) -> "Archive":
        """Return the archive in a run's directory."""
        return cls(directory / FILENAME, run.evidence)

    @property
    def is_there(self) -> bool:
        """Whether there is a file to read."""
        return self._path is not None

    @property
    def is_whole(self) -> bool:
        """Whether the file is there and as long as the run says."""
        return self._path is not None and self._path.stat().st_size == self._ends[-1]

    @property
    def members(self) -> range:
        """The number of each member that can be read."""
        return range(len(self._starts) if self._path else 0)

    def size(self, member: int) -> int:
        """Return how many bytes a member takes in the file."""
        return self._ends[member] - self._starts[member]

    def packed(self, member: int) -> bytes:
        """Return a member as it lies in the file.

        Raises:
            UnreadableRunError: the file is shorter than `run.json` says.
        """
        assert self._path is not None  # noqa: S101 - no member is known without it
        with self._path.open("rb") as file:
            file.seek(self._starts[member])
            content = file.read(self.size(member))
        if len(content) != self.size(member):
            raise UnreadableRunError(f"{self._path}: cut off; it is not the one of run.json")
        return content

    def plain(self, member: int) -> bytes:
        """Return the lines of a member.

        Raises:
            UnreadableRunError: the file is not the one that `run.json` was written with.
        """
        try:
            unpacker = zlib.decompressobj(_GZIP)
            return unpacker.decompress(self.packed(member), MEMBER_MAX_BYTES)
        except zlib.error as error:
            raise UnreadableRunError(f"{self._path}: {error}") from error

    def full(self, attempt: Attempt) -> Attempt:
        """Return *attempt* with its whole evidence, as far as that is there."""
        kept = attempt.kept
        if kept is None or kept.member not in self.members:
            return attempt
        if kept.member != self._open:
            self._lines = self.plain(kept.member).splitlines()
            self._open = kept.member
        return _line(self._lines[kept.line]).attempt

    def everything(self) -> Iterator[Line]:
        """Yield every attempt of the file in the order in which they ended."""
        for member in self.members:
            yield from map(_line, self.plain(member).splitlines())


def _line(content: bytes) -> Line:
    try:
        return _DECODER.decode(content)
    except msgspec.MsgspecError as error:
        raise UnreadableRunError(f"{FILENAME}: {error}") from error


NOTHING = Archive(None, Evidence())


def rewrite(path: Path, evidence: Evidence, change: Callable[[bytes], bytes]) -> Evidence:
    """Put every member through *change*, which keeps the lines; write only when one differs."""
    archive = Archive(path, evidence)
    if all(change(plain) == plain for plain in map(archive.plain, archive.members)):
        return evidence
    draft = path.with_name(f".{path.name}")
    writer = ArchiveWriter(draft, member_bytes=MEMBER_MAX_BYTES)  # each line stays in its member
    for member in archive.members:
        for line in change(archive.plain(member)).splitlines():
            writer.add_line(line)
        writer.end_member()
    changed = writer.close()
    draft.replace(path)
    return changed


def recovered(path: Path) -> tuple[Evidence, list[tuple[str, Attempt, Kept]]]:
    """Make a file whole whose writer was killed; return what it holds, each with its place.

    A torn last line is left out. A later line about the same attempt is the truer one.
    """
    if not path.is_file():
        return Evidence(), []
    draft = path.with_name(f".{path.name}")
    writer, found = ArchiveWriter(draft), []
    for content in _torn_lines(path):
        try:
            line = _DECODER.decode(content)
        except msgspec.MsgspecError:
            continue
        found.append((line.case, line.attempt, writer.add_line(content)))
    evidence = writer.close()
    draft.replace(path)
    return evidence, found


def _torn_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file that may end anywhere."""
    rest = b""
    unpacker = zlib.decompressobj(_GZIP)
    with path.open("rb") as file:
        while packed := file.read(READ_BYTES):
            while packed:
                try:
                    rest += unpacker.decompress(packed)
                except zlib.error:
                    return
                packed = unpacker.unused_data
                if unpacker.eof:
                    unpacker = zlib.decompressobj(_GZIP)
                *lines, rest = rest.split(b"\n")
                yield from lines
