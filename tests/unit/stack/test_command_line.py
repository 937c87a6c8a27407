"""The command `caas` finds its commands, survives broken ones and keeps to the exit codes."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import NoReturn

import click
import pytest

from caas.cli import main as cli


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Replace the entry points by those of a module that the test writes."""
    monkeypatch.syspath_prepend(str(tmp_path))
    found = [
        metadata.EntryPoint(name, f"plugin_{name}:{name}", cli.COMMANDS)
        for name in ("fine", "broken", "missing")
    ]

    def entry_points(*, group: str, name: str | None = None) -> list[metadata.EntryPoint]:
        assert group == cli.COMMANDS
        return [each for each in found if name in (None, each.name)]

    monkeypatch.setattr(cli.metadata, "entry_points", entry_points)  # type: ignore[attr-defined]
    (tmp_path / "plugin_fine.py").write_text(
        "import click\n@click.command()\n@click.option('--fail', default='')\n"
        "def fine(fail):\n    'Do the fine thing.'\n    import plugin_outcomes as o\n"
        "    o.outcome(fail)\n"
    )
    (tmp_path / "plugin_broken.py").write_text("raise RuntimeError('half\\ninstalled')\n")
    return tmp_path


@pytest.fixture(autouse=True)
def forget_plugins() -> None:
    """Import the test's modules anew each time."""
    for name in [name for name in sys.modules if name.startswith("plugin_")]:
        del sys.modules[name]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["caas", *arguments])
    with pytest.raises(SystemExit) as exited:
        cli.main()
    assert isinstance(exited.value.code, int)
    return exited.value.code


def raising(error: BaseException) -> NoReturn:
    """Raise, as an expression."""
    raise error


@pytest.mark.usefixtures("commands")
def test_listing_names_what_is_broken_and_loads_nothing_that_is_fine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One half-installed package must not hide the others."""
    assert run(monkeypatch, "--help") == 0

    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert lines["fine"].endswith("Do the fine thing.")
    assert "(not available: ModuleNotFoundError" in lines["missing"]
    assert "broken" in lines
    assert "plugin_fine" not in sys.modules


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize("name", ["broken", "missing"])
def test_unavailable_command_says_why_in_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The environment is at fault: exit code 3, whatever its arguments were."""
    assert run(monkeypatch, name, "--whatever", "x") == 3

    said = capsys.readouterr().err
    assert said.startswith(f"Error: `caas {name}` is not available: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        ("None", 0),
        ("raise click.ClickException('x')", 3),
        ("raise click.UsageError('x')", 2),
        ("raise SystemExit(1)", 1),
        ("raise SystemExit(4)", 4),
        ("click.get_current_context().exit(4)", 4),
        ("raise KeyboardInterrupt", 130),
        ("raise RuntimeError('a bug')", 3),
    ],
)
def test_outcomes_have_their_exit_codes(
    raised: str, code: int, commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code 1 is for a check that failed, never for a crash."""
    (commands / "plugin_outcomes.py").write_text(
        f"import click\ndef outcome(fail):\n    {raised}\n"
    )

    assert run(monkeypatch, "fine") == code


@pytest.mark.usefixtures("commands")
def test_wrong_usage_is_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown commands and unknown options alike."""
    assert run(monkeypatch, "nonsense") == 2
    assert run(monkeypatch, "fine", "--nonsense") == 2


def test_interrupt_prints_no_traceback(
    commands: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C is no error of the program's."""
    (commands / "plugin_outcomes.py").write_text(
        "def outcome(fail):\n    raise KeyboardInterrupt\n"
    )
    run(monkeypatch, "fine")

    assert "Traceback" not in capsys.readouterr().err


def test_help_of_the_real_commands_imports_none_of_their_packages() -> None:
    """`caas --help` is typed often: nothing but click may be loaded for it."""
    script = (
        "import sys\nfrom caas.cli.main import main\nsys.argv = ['caas', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'litestar', 'rich', 'pymongo', 'jinja2', 'granian', 'caas.stack.commands'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert {"up", "down", "status", "logs"} <= {
        line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")
    }
    assert done.stderr == "[]\n"


def test_stack_commands_are_declared() -> None:
    """The entry points and the code must not drift apart."""
    for name in ("up", "down", "status", "logs"):
        (found,) = metadata.entry_points(group=cli.COMMANDS, name=name)
        assert isinstance(found.load(), click.Command)
