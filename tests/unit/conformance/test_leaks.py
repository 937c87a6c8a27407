"""The last look for secrets: many at once, wherever one begins."""

import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caas_conformance.correlation import leaks
from caas_conformance.correlation.leaks import Leaks
from caas_observability.redaction import REDACTED

OTHERS = [secrets.token_urlsafe(24) for _ in range(500)]


@given(
    before=st.binary(max_size=40),
    after=st.binary(max_size=40),
    secret=st.text(min_size=8, max_size=40).filter(lambda text: text.isprintable()),
)
def test_no_place_hides_a_secret(before: bytes, after: bytes, secret: str) -> None:
    """Whatever stands before it and behind it, and however long it is."""
    found = Leaks([*OTHERS, secret])
    wire = leaks._wire(secret)
    clean = found.scrubbed(before + wire + after)

    assert wire in found.found
    assert wire not in clean or wire in REDACTED.encode() + before + after
    assert REDACTED.encode() in clean


def test_what_begins_alike_is_no_leak() -> None:
    """Tokens share their head; only the whole of one is a secret."""
    found = Leaks([f"eyJhbGciOiJFZERTQSJ9.{other}" for other in OTHERS])
    text = b"eyJhbGciOiJFZERTQSJ9.nothing " * 20

    assert found.scrubbed(text) == text
    assert found.found == set()


@pytest.mark.parametrize("piece_bytes", [16, 1 << 20])
def test_a_file_is_read_in_pieces_of_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece_bytes: int
) -> None:
    """None is written when nothing is found; all lines stay when something is."""
    monkeypatch.setattr(leaks, "PIECE_BYTES", piece_bytes)
    path = tmp_path / "lines"
    path.write_text("".join(f'{{"line": "{number} {OTHERS[number]}"}}\n' for number in range(99)))
    inode = path.stat().st_ino
    leaks.scrub_lines(path, Leaks(OTHERS[200:]))
    assert path.stat().st_ino == inode

    found = Leaks(OTHERS[7:8])
    leaks.scrub_lines(path, found)
    lines = path.read_text().splitlines()
    assert (len(lines), lines[7], len(found.found)) == (99, f'{{"line": "7 {REDACTED}"}}', 1)
