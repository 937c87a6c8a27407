"""The command that runs a case again is read by a shell as it was typed."""

import shlex
from pathlib import Path

import pytest

from caas_conformance.cli import reproduce
from caas_conformance.session.conduct import typed


@pytest.mark.parametrize(
    "given",
    [
        {"suite": "my suite"},
        {"target": Path("/a place/it's $HOME/stack.json")},
        {"urls": ("gateway=http://h:1/a;b", "auth-service=http://[::1]:2")},
        {"otlp_listen": "[::1]:4318", "telemetry": True},
        {"telemetry": False},
        {},
    ],
)
def test_every_option_that_found_the_target_is_there(given: dict[str, object]) -> None:
    """Quoted where a shell would read something else."""
    known = {"suite": "", "target": None, "urls": (), "otlp_listen": None, "telemetry": None}
    words = shlex.split(reproduce.options(**(known | given)))  # type: ignore[arg-type]

    expected: list[str] = []
    if "suite" in given:
        expected += ["--suite", str(given["suite"])]
    if "target" in given:
        expected += ["--target", str(given["target"])]
    for url in given.get("urls", ()):  # type: ignore[attr-defined]
        expected += ["--url", url]
    if "otlp_listen" in given:
        expected += ["--otlp-listen", str(given["otlp_listen"])]
    if "telemetry" in given:
        expected += ["--telemetry" if given["telemetry"] else "--no-telemetry"]
    assert words == expected


def test_a_relative_target_is_found_from_anywhere() -> None:
    """The report is read in another folder than the run was started in."""
    text = reproduce.options(
        suite="", target=Path("stack.json"), urls=(), otlp_listen=None, telemetry=None
    )
    assert text == f" --target {shlex.quote(str(Path.cwd() / 'stack.json'))}"


def test_what_was_typed_is_kept_but_for_credentials() -> None:
    """Also a password that should have been encoded."""
    words = ["caas", "--url", "a=http://u:p/w@h:1", "--url=b=http://token@h", "x y"]
    assert shlex.split(typed(words)) == [
        "caas", "--url", "a=http://[redacted]@h:1", "--url=b=http://[redacted]@h", "x y",
    ]  # fmt: skip
