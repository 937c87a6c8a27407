"""The state directory: one user at a time, private secrets, errors that help."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from caas.stack.errors import StackError
from caas.stack.processes import ProcessRecord, end_all, is_alive, record_of, wait_gone
from caas.stack.settings import StackSettings
from caas.stack.state import secrets as secret_store
from caas.stack.state.directory import StateDir, disk_errors, write_private
from caas.testing.patience import PATIENCE_S


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    """Give a prepared directory."""
    made = StateDir(tmp_path / "state")
    made.prepare(free_min_bytes=0)
    return made


def test_secrets_are_made_once_and_private(state: StateDir) -> None:
    """A new pepper would make every stored API key useless."""
    first = secret_store.load_or_create(state.secrets_path, {})
    second = secret_store.load_or_create(state.secrets_path, {})

    assert first == second
    assert stat.S_IMODE(state.secrets_path.stat().st_mode) == 0o600
    assert len(bytes.fromhex(first.key_pepper)) == 32


def test_two_directories_share_no_secret(tmp_path: Path) -> None:
    """A default value would be everybody's."""
    made = [secret_store.load_or_create(tmp_path / name, {}) for name in ("a", "b")]

    assert made[0].service_secret != made[1].service_secret
    assert made[0].key_pepper != made[1].key_pepper


def test_environment_wins_over_the_file(state: StateDir) -> None:
    """As for every other setting; the file keeps what it had."""
    kept = secret_store.load_or_create(state.secrets_path, {})
    given = secret_store.load_or_create(state.secrets_path, {"CAAS_SERVICE_SECRET": "given"})

    assert given.service_secret == "given"
    assert given.key_pepper == kept.key_pepper
    assert secret_store.load_or_create(state.secrets_path, {}) == kept


def test_secrets_hide_from_repr() -> None:
    """A traceback with locals, a debug log: neither may show them."""
    shown = repr(secret_store.StackSecrets(service_secret="s3cret", key_pepper="p3pper"))

    assert "s3cret" not in shown
    assert "p3pper" not in shown


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_secrets_that_others_can_read_are_refused(state: StateDir, mode: int) -> None:
    """They may have leaked; going on would hide that."""
    secret_store.load_or_create(state.secrets_path, {})
    state.secrets_path.chmod(mode)

    with pytest.raises(StackError, match=f"mode {mode:o}.*delete it"):
        secret_store.load_or_create(state.secrets_path, {})


def test_damaged_secrets_are_not_quoted(state: StateDir) -> None:
    """The error text goes to logs."""
    write_private(state.secrets_path, b'{"service_secret": "s3cret"')

    with pytest.raises(StackError) as caught:
        secret_store.load_or_create(state.secrets_path, {})
    assert "s3cret" not in str(caught.value)


def test_lock_excludes_others_and_names_the_holder(state: StateDir) -> None:
    """The same process counts as another: a lock belongs to one open file."""
    held = state.lock()
    state.write_processes({}, ephemeral=False)

    with pytest.raises(StackError, match=rf"\(pid {os.getpid()}\) already runs"):
        state.lock()
    os.close(held)
    os.close(state.lock())


def test_lock_of_a_dead_process_is_free(state: StateDir) -> None:
    """A lock file alone means nothing."""
    state.lock_path.write_text("999999")

    os.close(state.lock())


def test_clean_up_spares_a_later_process_with_the_same_pid(state: StateDir) -> None:
    """The kernel reuses pids; a start time does not come back."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        state.write_processes({"service": stranger.pid}, ephemeral=False)
        written = state.processes_path.read_text()
        born = record_of("service", stranger.pid).born
        state.processes_path.write_text(written.replace(born, "1"))

        assert state.clean_up_after_kill(deadline_s=1) == []
        assert stranger.poll() is None
        stranger.kill()


def test_clean_up_ends_what_is_left(state: StateDir) -> None:
    """Also a process that ignores SIGTERM."""
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(); input()"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as left:
        assert left.stdout is not None
        left.stdout.readline()
        state.write_processes({"service": left.pid}, ephemeral=False)

        assert state.clean_up_after_kill(deadline_s=0.2) == ["service"]
        assert left.wait(PATIENCE_S) == -9
    assert not state.processes_path.exists()


def test_dead_processes_are_told_from_living_ones() -> None:
    """A zombie runs nothing, though its pid exists."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        record = record_of("child", child.pid)
        assert wait_gone([record], deadline_s=PATIENCE_S)
        assert not is_alive(record)

    me = record_of("me", os.getpid())
    assert is_alive(me)
    assert not is_alive(ProcessRecord(name="never", pid=me.pid, born=""))
    assert not wait_gone([me], deadline_s=0)
    assert end_all([], deadline_s=0) == []


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "the disk is full: free some space"),
        (errno.EDQUOT, "the disk is full: free some space"),
        (errno.EACCES, "choose a directory you may write with --state-dir"),
        (errno.EROFS, "choose a directory you may write with --state-dir"),
    ],
)
def test_disk_errors_say_what_to_do(number: int, advice: str) -> None:
    """The system's own words leave that out."""
    with pytest.raises(StackError, match=advice), disk_errors(Path("/somewhere")):
        raise OSError(number, os.strerror(number), "/somewhere/file")


def test_full_disk_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """A limit nobody has stands for a disk with nothing left."""
    with pytest.raises(StackError, match=r"MiB left and a stack needs .* MiB; free some"):
        StateDir(tmp_path / "state").prepare(free_min_bytes=2**62)


def test_a_directory_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """They could have put secrets they know there, or links to files of ours."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)

    with pytest.raises(StackError, match="can be written by other users"):
        StateDir(shared).prepare(free_min_bytes=0)

    shared.chmod(0o755)
    StateDir(shared).prepare(free_min_bytes=0)


def test_private_files_are_not_written_through_links(state: StateDir, tmp_path: Path) -> None:
    """Their temporary names can be guessed."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (state.path / f"secrets.{os.getpid()}.new").symlink_to(victim)

    write_private(state.secrets_path, b"secret")

    assert victim.read_text() == "precious"
    assert not state.secrets_path.is_symlink()
    assert state.secrets_path.read_bytes() == b"secret"


def test_destroy_spares_what_is_not_a_stacks(state: StateDir) -> None:
    """Somebody may point --state-dir at a directory that has other things in it."""
    secret_store.load_or_create(state.secrets_path, {})
    (state.path / "thesis.txt").write_text("ten years")
    state.destroy()

    assert [path.name for path in state.path.iterdir()] == ["thesis.txt"]


def test_unreadable_stack_file_is_none(state: StateDir) -> None:
    """Half a file, another version's, none: all mean that nothing is known to run."""
    assert state.read_stack() is None
    state.stack_path.write_text("{")
    assert state.read_stack() is None


@pytest.mark.parametrize("value", ["soon", "0", "-1", "inf", "nan", ""])
def test_settings_refuse_what_is_no_deadline(value: str) -> None:
    """A deadline that never comes is none."""
    with pytest.raises(StackError, match="CAAS_READY_DEADLINE_S is not usable"):
        StackSettings.from_env({"CAAS_READY_DEADLINE_S": value})


def test_settings_come_from_the_environment() -> None:
    """By the field's own name; the rest keeps its default."""
    found = StackSettings.from_env({"CAAS_STOP_DEADLINE_S": "1.5", "CAAS_OTHER": "x"})

    assert found == StackSettings(stop_deadline_s=1.5)
