"""`make test-all` must try every Python there is and hide no failure."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "test-all"
# Says what it was asked to do; fails where the environment's name has FAILING in it.
MAKE = '#!/bin/sh\nprintf "%s\\n" "$@"\ncase "$*" in *VENV="$FAILING"*) exit 2;; esac\n'


class Machine:
    """One with these programs on PATH, and nothing else."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "bin"
        self.pyenv = directory / "pyenv"
        self.path.mkdir()
        for name in ("bash", "dirname"):
            found = shutil.which(name)
            assert found
            (self.path / name).symlink_to(found)
        program(self.path / "make", MAKE)

    def test_all(
        self, *arguments: str, failing: str = "none"
    ) -> "subprocess.CompletedProcess[str]":
        """Run the script."""
        environment = {"PATH": str(self.path), "PYENV_ROOT": str(self.pyenv), "FAILING": failing}
        return subprocess.run(
            [self.path / "bash", SCRIPT, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )


def program(path: Path, text: str) -> None:
    """Write an executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def interpreter(path: Path, *, of_its_version: bool = True) -> None:
    """Write what answers the question for its version with yes or no."""
    program(path, f"#!/bin/sh\nexit {int(not of_its_version)}\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine without any Python."""
    return Machine(tmp_path)


def test_each_found_version_has_its_own_environment(machine: Machine) -> None:
    """On PATH or with pyenv, whose shim answers no while its version is switched off."""
    interpreter(machine.path / "python3.11")
    interpreter(machine.path / "python3.13", of_its_version=False)
    interpreter(machine.pyenv / "versions" / "3.13.0" / "bin" / "python")

    done = machine.test_all()

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith(("PYTHON=", "VENV="))] == [
        "PYTHON=python3.11",
        "VENV=.venv-3.11",
        f"PYTHON={machine.pyenv}/versions/3.13.0/bin/python",
        "VENV=.venv-3.13",
    ]
    assert lines[-1] == "tested: 3.11 3.13; not on this machine: 3.12 3.14; failed: none"


def test_one_failure_fails_the_run_and_the_others_still_run(machine: Machine) -> None:
    """The first version's failure must neither end the loop nor be outvoted by the last."""
    interpreter(machine.path / "python3.11")
    interpreter(machine.path / "python3.12")

    done = machine.test_all(failing=".venv-3.11")

    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == (
        "tested: 3.11 3.12; not on this machine: 3.13 3.14; failed: 3.11"
    )


def test_a_machine_without_python_is_not_green(machine: Machine) -> None:
    """Nothing tested proves nothing."""
    assert machine.test_all().returncode == 1


def test_arguments_reach_pytest_as_they_were_given(machine: Machine) -> None:
    """`-k 'a and b'` is one argument; make doubles what it doesn't expand."""
    interpreter(machine.path / "python3.11")
    given = ["-k", "a and not b", "tests/unit", "x[$HOME-'é']"]

    done = machine.test_all(*given)

    (passed_on,) = (line for line in done.stdout.splitlines() if line.startswith("ARGS="))
    recipe = passed_on.removeprefix("ARGS=").replace("$$", "$")
    echoed = subprocess.run(
        ["/bin/bash", "-c", f'printf "%s\\n" {recipe}'], capture_output=True, text=True, check=True
    )
    assert echoed.stdout.splitlines() == given
