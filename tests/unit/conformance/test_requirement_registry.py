"""A registry of requirements is read whole, or what is wrong with it is said."""

from pathlib import Path

import pytest

from caas_conformance.errors import AuthoringError
from caas_conformance.plan.requirements import load
from caas_reports.model import Level

ENTRY = '[[requirement]]\nid = "{id}"\ntext = "keep it"\nsource = "design"\n'


def written(tmp_path: Path, text: str) -> Path:
    """Write a registry."""
    path = tmp_path / "requirements.toml"
    path.write_text(text)
    return path


def test_entries_are_read(tmp_path: Path) -> None:
    """Level and status have defaults."""
    text = ENTRY.format(id="A-01") + ENTRY.format(id="A-02") + 'level = "SHOULD"\n'
    registry = load(written(tmp_path, text + ENTRY.format(id="A-03") + 'status = "planned"\n'))

    assert list(registry.requirements) == ["A-01", "A-02", "A-03"]
    assert registry.requirements["A-02"].level is Level.SHOULD
    assert registry.requirements["A-03"].planned
    assert registry.built == ("A-01", "A-02")
    assert registry.uncovered([]) == ("A-01", "A-02")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[requirement", "can't be read"),
        ('[[requirement]]\nid = "A-01"\n', "A-01"),
        (ENTRY.format(id="A-01") * 2, "taken"),
        (ENTRY.format(id="A-01") + 'level = "MAY"\n', "MAY"),
        (ENTRY.format(id="A-01") + 'owner = "me"\n', "A-01"),
    ],
)
def test_a_broken_entry_is_named(tmp_path: Path, text: str, said: str) -> None:
    """One line, with the id where there is one."""
    with pytest.raises(AuthoringError, match=said):
        load(written(tmp_path, text))
